"""Takes pieces into the review queue as their verdicts arrive in the archive."""

import logging
from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, exists, func, insert, select, update

from inspector.archive.database import Database
from inspector.archive.dialect import insert as upsert
from inspector.archive.schema import HOLDS, VERDICTS
from inspector.archive.tables_recordings import PIECE_RECORDINGS
from inspector.archive.tables_review import REVIEW_KNOWN, REVIEW_PIECES, REVIEW_POSITION, REVIEW_SLOTS
from inspector.review.choice import is_wanted, num_wanted
from inspector.review.settings import ReviewSettings
from streams.observation import InspectionId

log = logging.getLogger("inspector.review")

BATCH = 500
"""Verdicts considered, and pieces made ready, in one transaction."""
POSITION = "queue"
_DAY_NS = 86_400 * 10**9
_IDENTITY = ("line", "station", "piece_id", "pass_number")
_P = REVIEW_PIECES.c


class Queue:
    """Several processes may fill one queue: each verdict is considered once, under a lock on the position."""

    def __init__(self, database: Database, settings: ReviewSettings) -> None:
        self._database, self._settings = database, settings

    def fill(self, now_ns: int) -> int:
        """Considers the next verdicts; returns how many, 0 at the end or while the queue is full. Raises StoreError."""
        with self._database.write() as connection:
            position = _locked_position(connection)
            room = self._settings.max_waiting - _num_open(connection)
            rows = _verdicts_after(connection, position, min(BATCH, room)) if room > 0 else []
            if not rows:
                return 0
            chosen = [row for row in rows if self._is_wanted(row)]
            for row in _unknown(connection, chosen):
                self._add(connection, row, now_ns)
            position_row = REVIEW_POSITION.c.name == POSITION
            connection.execute(update(REVIEW_POSITION).where(position_row).values(verdict_key=rows[-1]["key"]))
        return len(rows)

    def make_ready(self, now_ns: int) -> int:
        """Opens pieces whose recordings are kept by now, and closes those that waited too long for them. Returns how
        many were opened. Raises StoreError."""
        kept = exists().where(
            and_(PIECE_RECORDINGS.c.verdict_key == _P.verdict_key, PIECE_RECORDINGS.c.sha256.is_not(None))
        )
        waiting = and_(_P.ready_ns.is_(None), _P.closed_ns.is_(None))
        with self._database.write() as connection:
            self._give_up(connection, and_(waiting, ~kept), now_ns)
            ready = select(_P.key, _P.wanted).where(waiting, kept).order_by(_P.key).limit(BATCH)
            rows = connection.execute(ready.with_for_update(skip_locked=True)).all()
            if rows:
                keys = [row.key for row in rows]
                connection.execute(update(REVIEW_PIECES).where(_P.key.in_(keys)).values(ready_ns=now_ns))
                slots = [{"piece_key": row.key, "slot": slot} for row in rows for slot in range(row.wanted)]
                connection.execute(insert(REVIEW_SLOTS), slots)
        return len(rows)

    def expire(self, now_ns: int) -> int:
        """Closes pieces that nobody answered for too long, and returns how many: they held their recordings. Raises
        StoreError."""
        oldest_ns = now_ns - round(self._settings.max_age_days * _DAY_NS)
        late = select(_P.key, _P.verdict_key).where(_P.closed_ns.is_(None), _P.added_ns < oldest_ns).limit(BATCH)
        with self._database.write() as connection:
            rows = connection.execute(late.with_for_update(skip_locked=True)).all()
            for row in rows:
                close_piece(connection, row.key, row.verdict_key, "too_old", now_ns)
        if rows:
            log.warning("%d pieces left the review queue: nobody answered them within %g days.", len(rows),
                        self._settings.max_age_days)  # fmt: skip
        return len(rows)

    def num_waiting(self) -> int:
        """Open pieces that can be given out. Raises StoreError."""
        with self._database.read() as connection:
            ready = select(func.count()).where(_P.closed_ns.is_(None), _P.ready_ns.is_not(None))
            return int(connection.execute(ready).scalar_one())

    def _is_wanted(self, row: RowMapping) -> bool:
        return is_wanted(_inspection(row), row["decision"], row["reason"], self._settings)

    def _add(self, connection: Connection, row: RowMapping, now_ns: int) -> None:
        values = {name: row[name] for name in (*_IDENTITY, "decision")}
        num_answers = num_wanted(_inspection(row), self._settings)
        added = (
            upsert(connection, REVIEW_PIECES)
            .on_conflict_do_nothing()
            .values(**values, verdict_key=row["key"], wanted=num_answers, added_ns=now_ns)
        )
        if connection.execute(added.returning(_P.key)).first() is not None:
            hold(connection, row["key"], "", now_ns)

    def _give_up(self, connection: Connection, without: ColumnElement[bool], now_ns: int) -> None:
        oldest_ns = now_ns - round(self._settings.recordings_wait_s * 1e9)
        late = select(_P.key, _P.verdict_key).where(without, _P.added_ns < oldest_ns).limit(BATCH)
        rows = connection.execute(late.with_for_update(skip_locked=True)).all()
        for row in rows:
            close_piece(connection, row.key, row.verdict_key, "no_recordings", now_ns)
        if rows:
            log.info("%d pieces left the review queue: no recording of them was kept. Look at the parts themselves.",
                     len(rows))  # fmt: skip


def hold(connection: Connection, verdict_key: int, name: str, now_ns: int, holder: str = "review") -> None:
    """Keeps verdict and recordings of a piece from retention."""
    statement = upsert(connection, HOLDS).on_conflict_do_nothing()
    connection.execute(statement.values(verdict_key=verdict_key, holder=holder, name=name, since_ns=now_ns))


def release(connection: Connection, verdict_key: int, name: str) -> None:
    where = (HOLDS.c.verdict_key == verdict_key, HOLDS.c.holder == "review", HOLDS.c.name == name)
    connection.execute(HOLDS.delete().where(*where))


def close_piece(connection: Connection, key: int, verdict_key: int, why: str, now_ns: int) -> None:
    """The piece leaves the queue, and retention may have it."""
    connection.execute(update(REVIEW_PIECES).where(_P.key == key).values(closed_ns=now_ns, closed_as=why))
    release(connection, verdict_key, "")


def _locked_position(connection: Connection) -> int:
    """Locked until the transaction ends. Behind the newest verdict only after the archive was rebuilt from nothing."""
    start = upsert(connection, REVIEW_POSITION).values(name=POSITION, verdict_key=0)
    connection.execute(start.on_conflict_do_nothing())
    where = REVIEW_POSITION.c.name == POSITION
    position = connection.execute(select(REVIEW_POSITION.c.verdict_key).where(where).with_for_update()).scalar_one()
    newest = connection.execute(select(func.max(VERDICTS.c.key))).scalar_one() or 0
    return 0 if position > newest else int(position)


def _num_open(connection: Connection) -> int:
    return int(connection.execute(select(func.count()).where(_P.closed_ns.is_(None))).scalar_one())


def _verdicts_after(connection: Connection, key: int, limit: int) -> Sequence[RowMapping]:
    columns = [VERDICTS.c[name] for name in ("key", *_IDENTITY, "decision", "reason")]
    query = select(*columns).where(VERDICTS.c.key > key).order_by(VERDICTS.c.key).limit(limit)
    return connection.execute(query).mappings().all()


def _unknown(connection: Connection, rows: Sequence[RowMapping]) -> list[RowMapping]:
    """Those that are no known pieces."""
    columns = [REVIEW_KNOWN.c[name] for name in _IDENTITY]
    same_id = REVIEW_KNOWN.c.piece_id.in_([row["piece_id"] for row in rows])
    known = {tuple(row) for row in connection.execute(select(*columns).where(same_id))}
    return [row for row in rows if _inspection(row) not in known]


def _inspection(row: RowMapping) -> InspectionId:
    return InspectionId(*(row[name] for name in _IDENTITY))
