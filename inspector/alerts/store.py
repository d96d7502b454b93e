"""Follows the verdicts: charts, alerts, what is to be delivered, and the position are stored in one transaction.

So after a crash at any moment, no alert is missed and none is raised twice.
"""

import logging
import time
from collections.abc import Sequence

from sqlalchemy import Connection, delete, insert, select, update

from inspector.alerts.conditions import Condition
from inspector.alerts.desk import AlertDesk, Finding
from inspector.alerts.evaluator import Change, Evaluator, remove_other_designs
from inspector.alerts.metrics import AlertMetrics
from inspector.alerts.seen import Seen, seen_of
from inspector.archive.database import Database
from inspector.archive.tables_alerts import ALERT_POSITIONS, ALERT_TOKEN
from inspector.verdicts.ring import Entry
from streams.records import TopicPartition

log = logging.getLogger("inspector.alerts.store")

_P, _T = ALERT_POSITIONS.c, ALERT_TOKEN.c


class AlertStore:
    """Implements `VerdictStore`; belongs to the thread that follows."""

    def __init__(
        self,
        database: Database,
        desk: AlertDesk,
        conditions: Sequence[Condition],
        max_charts: int,
        metrics: AlertMetrics,
    ) -> None:
        self._database, self._desk, self._conditions, self._metrics = database, desk, conditions, metrics
        self._evaluator = Evaluator(conditions, max_charts)
        self._token: bytes | None = None
        """As this process stored it last; where the database has another one, another process follows, too."""
        self._positions: dict[TopicPartition, tuple[int, int]] = {}

    def token(self) -> bytes | None:
        with self._database.read() as connection:
            token: bytes | None = connection.execute(select(_T.token)).scalar()
            return token

    def start(self) -> None:
        """Ends alerts of conditions that have other settings now."""
        now_ns = time.time_ns()
        with self._database.write() as connection:
            for place in remove_other_designs(connection, self._conditions):
                self._desk.resolve_at(connection, place, "the settings of its condition were changed", now_ns)

    def store(self, entries: Sequence[Entry], token: bytes) -> None:
        try:
            with self._database.write() as connection:
                self._catch_up(connection)
                fresh = [entry for entry in entries if self._is_new(entry)]
                for entry in fresh:
                    self._take(connection, seen_of(entry))
                self._evaluator.save(connection)
                self._save_position(connection, token, is_ahead=bool(fresh) or not entries)
        except BaseException:
            self._forget()
            raise
        self._metrics.charts.set(self._evaluator.num_charts)
        if entries:
            self._metrics.lag.set(max(0.0, time.time() - entries[-1].append_ns / 1e9))

    def skip(self, oldest_ns: int) -> None:
        """The charts continue with the verdicts that are left."""
        log.warning(
            "Verdicts before %.0f s of the Unix epoch were deleted unread: their alerts are missing.", oldest_ns / 1e9
        )

    def _take(self, connection: Connection, seen: Seen) -> None:
        for change in self._evaluator.step(connection, seen):
            self._apply(connection, change)
        self._positions[seen.source] = seen.offset + 1, seen.append_ns

    def _apply(self, connection: Connection, change: Change) -> None:
        condition, place, signal, seen = change
        if not signal.is_raised:
            self._desk.resolve_at(connection, place, signal.detail, seen.append_ns)
            return
        cause = f"{seen.source.topic}/{seen.source.partition}@{seen.offset}:{seen.append_ns}"
        detail = f"{signal.detail}; seen at piece {seen.piece_id}"
        self._desk.raise_at(connection, Finding(place, condition.level, condition.title, detail), cause, seen.append_ns)

    def _is_new(self, entry: Entry) -> bool:
        """A log that was replaced has the same offsets again, with later times."""
        next_offset, append_ns = self._positions.get(entry.source, (0, 0))
        return entry.offset >= next_offset or entry.append_ns > append_ns

    def _catch_up(self, connection: Connection) -> None:
        """Locks the position, and reads everything again where another process has stored since."""
        token = connection.execute(select(_T.token).with_for_update()).scalar()
        if token == self._token and token is not None:
            return
        self._evaluator.forget()
        rows = connection.execute(select(ALERT_POSITIONS))
        self._positions = {TopicPartition(row.topic, row.partition): (row.next_offset, row.append_ns) for row in rows}
        self._token = token

    def _save_position(self, connection: Connection, token: bytes, *, is_ahead: bool) -> None:
        """A process that only saw what another one stored before leaves the position alone."""
        if not is_ahead:
            return
        if self._token is None:
            connection.execute(insert(ALERT_TOKEN).values(id=1, token=token))
        else:
            connection.execute(update(ALERT_TOKEN).values(token=token))
        self._token = token
        connection.execute(delete(ALERT_POSITIONS))
        if self._positions:
            connection.execute(insert(ALERT_POSITIONS), [_row(*item) for item in self._positions.items()])

    def _forget(self) -> None:
        self._evaluator.forget()
        self._token, self._positions = None, {}


def _row(source: TopicPartition, position: tuple[int, int]) -> dict[str, object]:
    next_offset, append_ns = position
    return {**source._asdict(), "next_offset": next_offset, "append_ns": append_ns}
