"""Keeps recordings until it must stop, through outages of log, database and store; removes those that are too old."""

import logging
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event

from inspector.archive.recordings.keeper import Keeper
from inspector.archive.recordings.metrics import RecordingMetrics
from inspector.archive.recordings.objects import PREFIXES, ObjectStoreError, ObjectStoreFullError
from inspector.archive.recordings.retention import Retention
from inspector.verdicts.follow import StoreError
from streams.log import LogError
from streams.outage import Outage, OutageLines, OutagePolicy

log = logging.getLogger("inspector.archive.recordings")

IDLE_S = 0.5
RETENTION_EVERY_S = 60.0
FIRST_SWEEP_S = 3600.0
"""After the start: a service that restarts often does not search its store each time."""
POLICY = OutagePolicy(0.5, 15.0, remind_s=600.0, errors=(LogError, StoreError, ObjectStoreError))
LINES = OutageLines(
    log,
    lambda error: (
        f"Recordings are not kept at present: {error}. The line goes on; they are kept later, as far as the "
        "log still has them then."
    ),
    "Recordings are kept again.",
)


@dataclass(slots=True)
class _Job:
    """Runs now and then, and again soon after a failure."""

    run: Callable[[], None]
    every_s: float
    next_s: float

    def run_if_due(self, now_s: float) -> None:
        if now_s >= self.next_s:
            self.run()
            self.next_s = now_s + self.every_s


class Keeping:
    """One thread calls `run`."""

    def __init__(
        self,
        keeper: Keeper,
        retention: Retention,
        metrics: RecordingMetrics,
        sweep_every_s: float,
        *,
        prepare: Callable[[], None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keeper, self._retention, self._metrics, self._monotonic = keeper, retention, metrics, monotonic
        """`prepare` is called until it succeeds once, before anything else: it makes the tables."""
        self._outage = Outage(LINES, POLICY, monotonic)
        self._sweep = _Sweep(retention)
        now_s = monotonic()
        self._jobs = (
            _Job(prepare, float("inf"), now_s),
            _Job(self._apply, RETENTION_EVERY_S, now_s),
            _Job(self._sweep.next, sweep_every_s / len(PREFIXES), now_s + FIRST_SWEEP_S),
        )

    def run(self, stop: Event) -> None:
        """Raises LogLostError."""
        while not stop.is_set():
            stop.wait(self.turn())

    def turn(self) -> float:
        """Keeps the next pieces and runs due tasks; returns how long to wait, in seconds."""
        try:
            for job in self._jobs:
                job.run_if_due(self._monotonic())
            is_busy = self._keeper.step()
        except self._outage.errors as error:
            return self._failed(error)
        self._outage.worked()
        self._metrics.is_full.set(0)
        return 0.0 if is_busy else IDLE_S

    def _failed(self, error: Exception) -> float:
        is_full = isinstance(error, ObjectStoreFullError)
        self._metrics.is_full.set(is_full)
        if isinstance(error, ObjectStoreError):
            self._metrics.store_errors.inc()
        return self._outage.failed(error, level=logging.ERROR if is_full else logging.WARNING)

    def _apply(self) -> None:
        self._retention.apply()


class _Sweep:
    """Searches the store for files that no piece needs, one folder at a time. Begins anywhere: a service that restarts
    often would never come to the last ones."""

    def __init__(self, retention: Retention, prefixes: Sequence[str] = PREFIXES) -> None:
        self._retention, self._prefixes = retention, prefixes
        self._at = secrets.randbelow(len(prefixes))

    def next(self) -> None:
        removed = self._retention.sweep(self._prefixes[self._at : self._at + 1])
        self._at = (self._at + 1) % len(self._prefixes)
        if removed:
            log.info("Removed %d recordings that no piece needs.", removed)
