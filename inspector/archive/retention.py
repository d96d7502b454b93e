"""Removes old verdicts from the database, oldest first, in small steps, except those that a review or a data set needs.

The space of removed rows is used again; the file of an SQLite archive does not shrink.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Event

from sqlalchemy import Connection, delete, exists, select

from inspector.archive.database import Database
from inspector.archive.dialect import insert
from inspector.archive.migrate import upgrade
from inspector.archive.schema import HOLDS, REMOVED, VERDICTS
from inspector.archive.settings import ArchiveSettings
from inspector.archive.totals import change_totals, totals
from inspector.verdicts.follow import StoreError
from protos.inspection.v1.verdict_pb2 import Decision

log = logging.getLogger("inspector.archive")

ROWS_AT_ONCE = 500
"""Of one transaction: a writer waits for it some milliseconds."""
PAUSE_S = 0.05
"""Between two steps, for the writers."""
EVERY_S = 3600.0
ROW_BYTES = 900
"""Space of a verdict's row and index entries, without body and heat maps; measured at 10^6 verdicts."""
_NS_PER_DAY = 86_400 * 10**9
_T = VERDICTS.c


@dataclass(frozen=True, slots=True)
class Limits:
    """How long verdicts stay, by decision, and how much they may take together; None: no limit."""

    days: Mapping[int, float]
    max_verdicts: int | None = None
    max_bytes: int | None = None


def limits_of(settings: ArchiveSettings) -> Limits:
    days: dict[int, float] = {
        Decision.DECISION_UNSPECIFIED: settings.review_days,
        Decision.DECISION_PASS: settings.pass_days,
        Decision.DECISION_FAIL: settings.fail_days,
        Decision.DECISION_REVIEW: settings.review_days,
    }
    return Limits(days, settings.max_verdicts, settings.max_bytes)


class RowRetention:
    """For one thread."""

    def __init__(
        self, database: Database, limits: Limits, stop: Event, clock_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._database, self._limits, self._stop, self._clock_ns = database, limits, stop, clock_ns

    def run(self) -> None:
        """Until `stop` is set; an outage is waited out. Raises DatabaseError."""
        while not self._stop.is_set():
            try:
                upgrade(self._database)  # at the first start this thread may be the first
                self.apply()
            except StoreError as exc:
                log.warning("Old verdicts cannot be removed now (%s); tries again in an hour.", exc)
            self._stop.wait(EVERY_S)

    def apply(self) -> int:
        """Returns how many verdicts were removed. Raises StoreError."""
        removed = sum(self._remove_old(decision) for decision in self._limits.days) + self._remove_excess()
        if removed:
            log.info("Removed %d old verdicts from the archive.", removed)
        return removed

    def _remove_old(self, decision: int) -> int:
        before_ns = self._clock_ns() - round(self._limits.days[decision] * _NS_PER_DAY)
        return self._remove(decision, before_ns, None)

    def _remove_excess(self) -> int:
        """Verdicts of PASS go before all others."""
        excess, removed = self._excess(), 0
        for decision in sorted(self._limits.days, key=lambda each: each != Decision.DECISION_PASS):
            if removed < excess:
                removed += self._remove(decision, self._clock_ns(), excess - removed)
        return removed

    def _excess(self) -> int:
        """How many verdicts are too many."""
        if self._limits.max_verdicts is None and self._limits.max_bytes is None:
            return 0
        with self._database.read() as connection:
            count, stored = totals(connection)
        num_bytes = stored + count * ROW_BYTES
        over = [0]
        if self._limits.max_verdicts is not None:
            over.append(count - self._limits.max_verdicts)
        if self._limits.max_bytes is not None and num_bytes > self._limits.max_bytes:
            over.append(-(-(num_bytes - self._limits.max_bytes) * count // num_bytes))
        return max(over)

    def _remove(self, decision: int, before_ns: int, at_most: int | None) -> int:
        removed = 0
        while not self._stop.is_set() and (at_most is None or removed < at_most):
            limit = ROWS_AT_ONCE if at_most is None else min(ROWS_AT_ONCE, at_most - removed)
            with self._database.write() as connection:
                step = _remove_some(connection, decision, before_ns, limit)
            removed += step
            if step < limit:
                break
            self._stop.wait(PAUSE_S)
        return removed


def _remove_some(connection: Connection, decision: int, before_ns: int, limit: int) -> int:
    is_held = exists().where(HOLDS.c.verdict_key == _T.key)
    oldest = (
        select(_T.key, _T.entry_ns)
        .where(_T.decision == decision, _T.entry_ns < before_ns, ~is_held)
        .order_by(_T.entry_ns, _T.key)
        .limit(limit)
        .with_for_update(skip_locked=True, of=VERDICTS)
    )
    rows = connection.execute(oldest).all()
    if rows:
        remove_verdicts(connection, [row.key for row in rows])
        _note(connection, decision, rows[-1].entry_ns)
    return len(rows)


def remove_verdicts(connection: Connection, keys: Sequence[int]) -> int:
    """Those that nobody holds; returns how many they were."""
    # Until the end of the transaction nobody can begin to hold them; who began before is seen by the next statement.
    connection.execute(select(_T.key).where(_T.key.in_(keys)).order_by(_T.key).with_for_update())
    is_held = exists().where(HOLDS.c.verdict_key == _T.key)
    removed = connection.execute(delete(VERDICTS).where(_T.key.in_(keys), ~is_held).returning(_T.stored_bytes))
    sizes = removed.scalars().all()
    change_totals(connection, -len(sizes), -sum(sizes))
    return len(sizes)


def _note(connection: Connection, decision: int, until_ns: int) -> None:
    """A verdict up to this entry is not missing, but removed."""
    statement = insert(connection, REMOVED).values(decision=decision, until_ns=until_ns)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[REMOVED.c.decision],
            set_={"until_ns": statement.excluded.until_ns},
            where=REMOVED.c.until_ns < statement.excluded.until_ns,
        )
    )
