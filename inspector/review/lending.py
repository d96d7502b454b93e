"""Gives pieces to reviewers, for a limited time each: nobody gets a piece that another person holds or answered, unless
a second opinion is wanted. Slips known pieces in among them."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, and_, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from inspector.archive.database import Database
from inspector.archive.tables_review import REVIEW_KNOWN, REVIEW_PIECES, REVIEW_SLOTS
from inspector.review.choice import decisions_shown
from inspector.review.settings import ReviewSettings

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
        comes only where another piece could."""
        slot = _open_slot(connection, reviewer, now_ns)
        known = self._known(connection, reviewer, now_ns)
        if slot is None:
            return False
        lent = {"token": secrets.token_urlsafe(16), "reviewer": reviewer, "lent_ns": now_ns, "until_ns": until_ns}
        if known is not None and self._draw() < self._settings.known_share:
            connection.execute(insert(REVIEW_SLOTS).values(**lent, slot=0, known_key=known))
        else:
            connection.execute(update(REVIEW_SLOTS).where(_S.key == slot).values(**lent))
        return True

    def _known(self, connection: Connection, reviewer: str, now_ns: int) -> int | None:
        """A known piece that the reviewer did not get for long, drawn from those that were given to them least."""
        rested_ns = now_ns - round(self._settings.known_rest_s * 1e9)
        times = func.count(_S.key)
        mine = and_(_S.known_key == _K.key, _S.reviewer == reviewer)
        query = (
            select(_K.key, times.label("times"))
            .join_from(REVIEW_KNOWN, REVIEW_SLOTS, mine, isouter=True)
            .where(_K.retired_ns.is_(None), _K.decision.in_(decisions_shown(self._settings)))
            .group_by(_K.key)
            .having(or_(times == 0, func.max(_S.lent_ns) < rested_ns))
        )
        rows = connection.execute(query).all()
        if not rows:
            return None
        least = min(row.times for row in rows)
        return int(secrets.choice([row.key for row in rows if row.times == least]))


class _Lent(NamedTuple):
    key: int
    token: str
    until_ns: int
    verdict_key: int


def _held(connection: Connection, reviewer: str, limit: int) -> list[_Lent]:
    """Pieces that the reviewer holds without an answer, the earliest first."""
    verdict_key = func.coalesce(_P.verdict_key, _K.verdict_key).label("verdict_key")
    query = (
        select(_S.key, _S.token, _S.until_ns, verdict_key)
        .join_from(REVIEW_SLOTS, REVIEW_PIECES, _S.piece_key == _P.key, isouter=True)
        .join(REVIEW_KNOWN, _S.known_key == _K.key, isouter=True)
        .where(_S.reviewer == reviewer, _S.answered_ns.is_(None), _S.token.is_not(None), _P.closed_ns.is_(None))
        .order_by(_S.lent_ns, _S.key)
        .limit(limit)
    )
    return [_Lent(*row) for row in connection.execute(query)]


def _open_slot(connection: Connection, reviewer: str, now_ns: int) -> int | None:
    """The oldest piece that nobody holds and that this reviewer has no part in."""
    own_slots = REVIEW_SLOTS.alias("own")
    has_part = (
        select(own_slots.c.key).where(own_slots.c.piece_key == _S.piece_key, own_slots.c.reviewer == reviewer).exists()
    )
    query = (
        select(_S.key)
        .join(REVIEW_PIECES, _S.piece_key == _P.key)
        .where(_S.answered_ns.is_(None), or_(_S.until_ns.is_(None), _S.until_ns < now_ns))
        .where(_P.closed_ns.is_(None), ~has_part)
        .order_by(_S.piece_key, _S.slot)
        .limit(1)
        .with_for_update(skip_locked=True, of=REVIEW_SLOTS)
    )
    key = connection.execute(query).scalar_one_or_none()
    return None if key is None else int(key)
