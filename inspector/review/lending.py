"""Gives pieces to reviewers, for a limited time each: nobody gets a piece that another person holds or answered, unless
a second opinion is wanted. Slips known pieces in among them."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, Select, and_, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from inspector.archive.database import Database
from inspector.archive.tables_review import REVIEW_KNOWN, REVIEW_PIECES, REVIEW_SLOTS
from inspector.review.known_choice import known_like
from inspector.review.settings import ReviewSettings
from streams.observation import InspectionId

MAX_HELD = 4
"""Pieces that one reviewer holds at a time."""
ATTEMPTS = 4
"""Two requests of one reviewer may take both slots of one piece at the same moment: the later one tries again."""
UNPREDICTABLE = secrets.SystemRandom()
_S, _P, _K = REVIEW_SLOTS.c, REVIEW_PIECES.c, REVIEW_KNOWN.c


@dataclass(frozen=True, slots=True)
class Held:
    """A piece in the hands of one reviewer."""

    token: str
    """Names the piece in the page without describing it."""
    verdict_key: int
    until_ns: int
    """From then on another person may get it."""


class Lending:
    """`draw` gives a number in [0, 1) by which known pieces are slipped in; it must not be predictable."""

    def __init__(
        self,
        database: Database,
        settings: ReviewSettings,
        draw: Callable[[], float] = UNPREDICTABLE.random,
    ) -> None:
        self._database, self._settings, self._draw = database, settings, draw

    def hold(self, reviewer: str, count: int, now_ns: int) -> list[Held]:
        """The pieces that the reviewer holds, in order, filled up to `count` and lent again. Fewer where the queue has
        no more. Raises StoreError."""
        for attempt in range(ATTEMPTS):
            try:
                with self._database.write() as connection:
                    return self._fill_up(connection, reviewer, min(count, MAX_HELD), now_ns)
            except IntegrityError:
                if attempt == ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")

    def held(self, reviewer: str, token: str) -> Held | None:
        """The piece of this token, while this reviewer holds it. Raises StoreError."""
        with self._database.read() as connection:
            rows = _held(connection, reviewer, MAX_HELD * 2)
        return next((Held(row.token, row.verdict_key, row.until_ns) for row in rows if row.token == token), None)

    def owes(self, reviewer: str, inspection: InspectionId) -> bool:
        """Whether the reviewer holds the piece. Raises StoreError."""
        names = zip(inspection._fields, inspection, strict=True)
        same = [func.coalesce(_P[name], _K[name]) == value for name, value in names]
        with self._database.read() as connection:
            return connection.execute(_held_by(reviewer).where(*same)).first() is not None

    def _fill_up(self, connection: Connection, reviewer: str, count: int, now_ns: int) -> list[Held]:
        until_ns = now_ns + round(self._settings.lease_s * 1e9)
        rows = _held(connection, reviewer, count)
        mine = _S.key.in_([row.key for row in rows])
        connection.execute(update(REVIEW_SLOTS).where(mine).values(until_ns=until_ns))
        while len(rows) < count and self._lend(connection, reviewer, now_ns + len(rows), until_ns):
            rows = _held(connection, reviewer, count)
        return [Held(row.token, row.verdict_key, until_ns) for row in rows]

    def _lend(self, connection: Connection, reviewer: str, now_ns: int, until_ns: int) -> bool:
        """One more piece, where there is one. Both choices are looked up each time: a known piece takes no longer, and
        comes only where another piece that looks like it could."""
        slot = _open_slot(connection, reviewer, now_ns)
        _end_known(connection, reviewer, slot, now_ns)
        if slot is None:
            return False
        rest_ns = round(self._settings.known_rest_s * 1e9)
        known = known_like(connection, slot.verdict_key, reviewer, rest_ns, now_ns)
        lent = {"token": secrets.token_urlsafe(16), "reviewer": reviewer, "lent_ns": now_ns, "until_ns": until_ns}
        if known is not None and self._draw() < self._settings.known_share:
            connection.execute(insert(REVIEW_SLOTS).values(**lent, slot=0, known_key=known))
        else:
            connection.execute(update(REVIEW_SLOTS).where(_S.key == slot.key).values(**lent))
        return True


class _Open(NamedTuple):
    """A slot that can be lent, and who held it before."""

    key: int
    verdict_key: int
    reviewer: str | None
    lent_ns: int | None


class _Lent(NamedTuple):
    key: int
    token: str
    until_ns: int
    verdict_key: int


def _held_by(reviewer: str) -> Select[int, str, int, int]:
    """What the reviewer holds without an answer, in any order."""
    verdict_key = func.coalesce(_P.verdict_key, _K.verdict_key).label("verdict_key")
    return (
        select(_S.key, _S.token, _S.until_ns, verdict_key)
        .join_from(REVIEW_SLOTS, REVIEW_PIECES, _S.piece_key == _P.key, isouter=True)
        .join(REVIEW_KNOWN, _S.known_key == _K.key, isouter=True)
        .where(_S.reviewer == reviewer, _S.answered_ns.is_(None), _S.token.is_not(None), _P.closed_ns.is_(None))
    )


def _held(connection: Connection, reviewer: str, limit: int) -> list[_Lent]:
    """What the reviewer holds without an answer, the earliest first."""
    query = _held_by(reviewer).order_by(_S.lent_ns, _S.key).limit(limit)
    return [_Lent(*row) for row in connection.execute(query)]


def num_known_held(connection: Connection, reviewer: str) -> int:
    """They count as waiting, as the other pieces that the reviewer holds do."""
    mine = (_S.reviewer == reviewer, _S.known_key.is_not(None), _S.answered_ns.is_(None), _S.token.is_not(None))
    return int(connection.execute(select(func.count()).select_from(REVIEW_SLOTS).where(*mine)).scalar_one())


def _end_known(connection: Connection, reviewer: str, lent: _Open | None, now_ns: int) -> None:
    """Known pieces of other people whose time is over go when they would go to `reviewer` were they others: those that
    were given out before a piece that is taken from the same person, and all once nothing is taken from anybody."""
    late = and_(_S.known_key.is_not(None), _S.answered_ns.is_(None), _S.until_ns < now_ns, _S.reviewer != reviewer)
    if lent is not None and lent.reviewer is not None and lent.lent_ns is not None:
        late = and_(late, _S.reviewer == lent.reviewer, _S.lent_ns < lent.lent_ns)
    connection.execute(update(REVIEW_SLOTS).where(late).values(token=None))


def _open_slot(connection: Connection, reviewer: str, now_ns: int) -> _Open | None:
    """The oldest piece that nobody holds and that this reviewer has no part in."""
    own = REVIEW_SLOTS.alias("own")
    has_part = select(own.c.key).where(own.c.piece_key == _S.piece_key, own.c.reviewer == reviewer).exists()
    query = (
        select(_S.key, _P.verdict_key, _S.reviewer, _S.lent_ns)
        .join(REVIEW_PIECES, _S.piece_key == _P.key)
        .where(_S.answered_ns.is_(None), or_(_S.until_ns.is_(None), _S.until_ns < now_ns))
        .where(_P.closed_ns.is_(None), ~has_part)
        .order_by(_S.piece_key, _S.slot)
        .limit(1)
        .with_for_update(skip_locked=True, of=REVIEW_SLOTS)
    )
    row = connection.execute(query).first()
    return None if row is None else _Open(*row)
