"""Follows the verdicts: charts, alerts, events to deliver, and the position are stored in one transaction.

So after a crash at any moment, no alert is missed and none is raised twice.
"""

import time
from collections.abc import Mapping, Sequence
from secrets import token_hex

from sqlalchemy import Connection, delete, insert, select

from inspector.alerts.conditions import Condition
from inspector.alerts.desk import AlertDesk, Finding
from inspector.alerts.evaluator import Change, Evaluator, remove_other_designs
from inspector.alerts.metrics import AlertMetrics
from inspector.alerts.seen import seen_of
from inspector.archive.database import Database
from inspector.archive.migrate import upgrade
from inspector.archive.positions import Positions
from inspector.archive.tables_alerts import ALERT_OWNER
from inspector.verdicts.regrown import LastRecord
from inspector.verdicts.ring import Entry
from streams.log import Gap
from streams.records import TopicPartition

FOLLOWER = "alerts"
CAUGHT_UP_S = 60.0
"""Behind the newest verdict by less than this, the alerts are up to date."""


class AlertStore:
    """Implements `VerdictStore`; belongs to the thread that follows."""

    def __init__(
        self,
        database: Database,
        desk: AlertDesk,
        conditions: Sequence[Condition],
        max_charts: int,
        metrics: AlertMetrics,
        other_names: Sequence[str] = (),
    ) -> None:
        """`other_names`: conditions that something else watches."""
        self._other_names = other_names
        self._database, self._desk, self._conditions, self._metrics = database, desk, conditions, metrics
        self._evaluator = Evaluator(conditions, max_charts)
        self._position = Positions(FOLLOWER, counts=True)
        self._process = token_hex(16)
        self._may_have_old = True
        """Whether alerts may be open that were too old to be sent out."""

    def token(self) -> bytes | None:
        """Brings the tables to this version first, and ends alerts whose conditions are no longer as they were."""
        upgrade(self._database)
        self._end_changed(time.time_ns())
        with self._database.read() as connection:
            return self._position.token(connection)

    def last(self) -> Mapping[TopicPartition, LastRecord]:
        return self._position.last()

    def _end_changed(self, now_ns: int) -> None:
        names = {condition.name for condition in self._conditions} | set(self._other_names)
        self._desk.resolve_removed(names, now_ns)
        with self._database.write() as connection:
            for place in remove_other_designs(connection, self._conditions):
                self._desk.resolve_at(connection, place, "the settings of its condition were changed", now_ns)
        self._evaluator.forget()

    def store(self, entries: Sequence[Entry], token: bytes) -> None:
        try:
            with self._database.write() as connection:
                fresh = self._position.new_entries(connection, entries, token)
                self._own_charts(connection)
                for entry in fresh:
                    for change in self._evaluator.step(connection, seen_of(entry)):
                        self._apply(connection, change)
                self._evaluator.save(connection)
                self._announce_old(connection, fresh)
        except BaseException:
            self._evaluator.forget()
            self._may_have_old = True
            raise
        self._metrics.charts.set(self._evaluator.num_charts)
        if entries:
            self._metrics.lag.set(max(0.0, time.time() - entries[-1].append_ns / 1e9))

    def skip(self, gaps: Sequence[Gap]) -> None:
        """The charts continue with the verdicts that are left; `follow` has logged the gaps."""
        with self._database.write() as connection:
            self._position.skip(connection, gaps)

    def _announce_old(self, connection: Connection, fresh: Sequence[Entry]) -> None:
        if self._may_have_old and fresh and time.time_ns() - fresh[-1].append_ns < CAUGHT_UP_S * 1e9:
            self._desk.announce_old(connection)
            self._may_have_old = False

    def _own_charts(self, connection: Connection) -> None:
        """Reads the charts again where another process wrote them last. The position is locked by now."""
        owner = connection.execute(select(ALERT_OWNER.c.process)).scalar()
        if owner == self._process:
            return
        self._evaluator.forget()
        connection.execute(delete(ALERT_OWNER))
        connection.execute(insert(ALERT_OWNER).values(id=1, process=self._process))

    def _apply(self, connection: Connection, change: Change) -> None:
        condition, place, signal, seen = change
        if not signal.is_raised:
            self._desk.resolve_at(connection, place, signal.detail, seen.append_ns)
            return
        cause = f"{seen.source.topic}/{seen.source.partition}@{seen.offset}:{seen.append_ns}"
        detail = f"{signal.detail}; seen at piece {seen.piece_id}"
        finding = Finding(place, condition.level, condition.title, detail)
        alert = self._desk.raise_at(connection, finding, cause, seen.append_ns)
        self._may_have_old |= alert is not None and not alert.is_announced
