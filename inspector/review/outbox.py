"""Publishes findings to the feedback topic, in their order. An answer is published when the log is there again, and
under its identity: a process that died between publishing and noting it leads to the same record again."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Protocol

from sqlalchemy import ColumnElement, delete, func, select, update

from inspector.archive.database import Database
from inspector.archive.tables_review import REVIEW_OUTBOX
from inspector.verdicts.follow import StoreError
from protos.inspection.v1.records_pb2 import Feedback
from streams.log import LogError, Publisher
from streams.outage import Outage, OutageLines, OutagePolicy
from streams.records import TYPE_PREFIX, Output, Topics

log = logging.getLogger("inspector.review")

FEEDBACK_TYPE = TYPE_PREFIX + "Feedback"
BATCH = 100
CLAIM_S = 60.0
"""One process publishes at a time; another one takes over after this time."""
KEEP_SENT_S = 7 * 86_400.0
"""Published rows are removed after this time."""
POLL_S = 0.5
POLICY = OutagePolicy(1.5, 10.0, errors=(LogError, StoreError), lost=())
LINES = OutageLines(
    log,
    lambda error: (
        f"Answers of the review desk wait to be published ({error}). They are kept, and published when log "
        "and database respond again."
    ),
    "Answers of the review desk are published again.",
)
NOT_PUBLISHED = b""
"""Body of an answer that goes through the outbox as all others, and stays out of the log: one to a known piece."""
_O = REVIEW_OUTBOX.c


@dataclass(frozen=True, slots=True)
class Waiting:
    """A finding on its way."""

    id: str
    line: str
    body: bytes


class Outbox:
    """The rows of the outbox. One thread uses it."""

    def __init__(self, database: Database, claim_s: float = CLAIM_S) -> None:
        self._database, self._claim_ns = database, round(claim_s * 1e9)

    def claim(self, now_ns: int) -> list[Waiting]:
        """The next findings that are due; none while another process publishes. Raises StoreError."""
        unsent = _O.sent_ns.is_(None)
        others = select(func.count()).where(unsent, _O.claimed_until_ns > now_ns)
        query = select(_O.id, _O.line, _O.body).where(unsent, _O.due_ns <= now_ns).order_by(_O.due_ns, _O.id)
        with self._database.write() as connection:
            rows = [Waiting(*row) for row in connection.execute(query.limit(BATCH).with_for_update())]
            if not rows or connection.execute(others).scalar_one():
                return []
            mine = update(REVIEW_OUTBOX).where(_O.id.in_([row.id for row in rows]))
            connection.execute(mine.values(claimed_until_ns=now_ns + self._claim_ns))
        return rows

    def give_back(self, rows: Sequence[Waiting], now_ns: int) -> None:
        """Not published now. Raises StoreError."""
        with self._database.write() as connection:
            connection.execute(update(REVIEW_OUTBOX).where(_among(rows)).values(claimed_until_ns=now_ns))

    def sent(self, rows: Sequence[Waiting], now_ns: int) -> None:
        """Notes that they are in the log, and forgets old ones. Raises StoreError."""
        forgotten = delete(REVIEW_OUTBOX).where(_O.sent_ns < now_ns - round(KEEP_SENT_S * 1e9))
        with self._database.write() as connection:
            connection.execute(update(REVIEW_OUTBOX).where(_among(rows)).values(sent_ns=now_ns))
            connection.execute(forgotten)

    def num_unsent(self) -> int:
        """Raises StoreError."""
        with self._database.read() as connection:
            return int(connection.execute(select(func.count()).where(_O.sent_ns.is_(None))).scalar_one())


def _among(rows: Sequence[Waiting]) -> ColumnElement[bool]:
    return _O.id.in_([row.id for row in rows])


class Publishing(Protocol):
    """The part of a log that is used."""

    def publisher(self) -> Publisher: ...


class FeedbackPublisher:
    """Takes findings from the outbox to the log, in the thread that calls `run`."""

    def __init__(
        self,
        source: Publishing,
        prefix: str,
        outbox: Outbox,
        clock_ns: Callable[[], int] = time.time_ns,
        *,
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        """`prepare` makes the tables where this thread is the first."""
        self._log, self._prefix, self._outbox, self._clock_ns = source, prefix, outbox, clock_ns
        self._prepare = prepare
        self._publisher: Publisher | None = None

    def run(self, stop: Event) -> None:
        """Publishes until `stop` is set, through outages of log and database."""
        outage = Outage(LINES, POLICY)
        while not stop.is_set():
            try:
                self._prepare()
                delay_s = 0.0 if self.publish_next() else POLL_S
                outage.worked()
            except outage.errors as error:
                self._drop_publisher()
                delay_s = outage.failed(error)
            stop.wait(delay_s)
        self._drop_publisher()

    def publish_next(self) -> int:
        """Publishes due answers, at most a batch; returns how many. Raises LogError, StoreError."""
        rows = self._outbox.claim(self._clock_ns())
        if not rows:
            return 0
        try:
            self._publish(rows)
        except LogError:
            self._outbox.give_back(rows, self._clock_ns())
            raise
        self._outbox.sent(rows, self._clock_ns())
        return len(rows)

    def _publish(self, rows: Sequence[Waiting]) -> None:
        if self._publisher is None:
            self._publisher = self._log.publisher()
        self._publisher.publish([self._output(row) for row in rows if row.body != NOT_PUBLISHED])
        self._publisher.flush()

    def _output(self, row: Waiting) -> Output:
        key = Feedback.FromString(row.body).inspection.station.encode()
        return Output(Topics(self._prefix, row.line).of("feedback"), None, key, row.body, FEEDBACK_TYPE)

    def _drop_publisher(self) -> None:
        if self._publisher is not None:
            self._publisher.close()
            self._publisher = None
