"""Fills the review queue again and again, in the thread that calls `run`."""

import logging
import time
from collections.abc import Callable
from threading import Event

from inspector.archive.database import Database
from inspector.archive.migrate import upgrade
from inspector.review.desk import to_one_digit
from inspector.review.metrics import ReviewMetrics
from inspector.review.outbox import Outbox
from inspector.review.queue import Queue
from inspector.review.settings import ReviewSettings
from inspector.verdicts.follow import StoreError
from streams.outage import Outage, OutageLines, OutagePolicy

log = logging.getLogger("inspector.review")

POLL_S, AWAY_S = 1.0, 5.0
POLICY = OutagePolicy(AWAY_S, AWAY_S, errors=(StoreError,))
LINES = OutageLines(
    log,
    lambda error: f"The review queue waits for the database ({error}); nothing is lost.",
    "The review queue is filled again.",
)


class Filling:
    def __init__(
        self,
        database: Database,
        settings: ReviewSettings,
        outbox: Outbox,
        metrics: ReviewMetrics,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._database, self._queue, self._outbox = database, Queue(database, settings), outbox
        self._metrics, self._clock_ns = metrics, clock_ns

    def run(self, stop: Event) -> None:
        """Until `stop` is set, through outages of the database. Raises DatabaseError."""
        outage = Outage(LINES, POLICY)
        while not stop.is_set():
            try:
                upgrade(self._database)
                while self.step() and not stop.is_set():
                    pass
                outage.worked()
                stop.wait(POLL_S)
            except outage.errors as error:
                stop.wait(outage.failed(error))

    def step(self) -> bool:
        """Whether there may be more to do at once. Raises StoreError."""
        now_ns = self._clock_ns()
        num_considered, num_ready = self._queue.fill(now_ns), self._queue.make_ready(now_ns)
        num_expired = self._queue.expire(now_ns)
        self._metrics.waiting.set(to_one_digit(self._queue.num_waiting()))
        self._metrics.unpublished.set(self._outbox.num_unsent())
        return bool(num_considered or num_ready or num_expired)
