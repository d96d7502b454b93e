"""Watches from its own thread whether the main loop makes progress, and reports a standstill: log, metrics, health."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Self

from inspector.worker.metrics import WorkerMetrics
from inspector.worker.stall import StallWatch

log = logging.getLogger("inspector.worker.watchdog")

REMEDY = (
    "where the log of records does not answer or takes no commit, repair it, and this worker goes on by itself; "
    "otherwise restart this worker, which loses nothing"
)
_LOOK_S = 1.0
_REMIND_S = 600.0


class Watchdog:
    """A context manager. `listeners` are called on its thread: True means a standstill, False that it is over.

    It counts its own looks, not the clock: a process that was suspended has not stood still.
    """

    def __init__(
        self,
        watch: StallWatch,
        metrics: WorkerMetrics,
        listeners: Sequence[Callable[[bool], None]],
        look_s: float = _LOOK_S,
    ) -> None:
        self._watch, self._metrics, self._listeners, self._look_s = watch, metrics, listeners, look_s
        self._stage = watch.stage
        self._stuck_s = 0.0
        self._stands_s: float | None = None
        self._said_s = 0.0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(self._look_s):
            self.look(time.monotonic())

    def look(self, now_s: float) -> None:
        """One look, after `look_s` seconds since the last."""
        if self._watch.stage == self._stage:
            self._stuck_s += self._look_s
        else:
            self._stage, self._stuck_s = self._watch.stage, 0.0
        findings = self._watch.findings
        if self._stuck_s > self._watch.settings.after_s:
            findings = (*findings, f"the main loop has been {self._stage[0]} for {self._stuck_s:.0f} s")
        if findings:
            self._stand(findings, now_s)
        elif self._stands_s is not None:
            self._go_on(now_s)

    def _stand(self, findings: tuple[str, ...], now_s: float) -> None:
        begins = self._stands_s is None
        if begins:
            self._stands_s = now_s
            self._metrics.standstills.inc()
            self._metrics.stands_still.set(1)
            self._tell(standing=True)
        if begins or now_s - self._said_s >= _REMIND_S:
            self._said_s = now_s
            log.error("The line stands still: %s. To do: %s.", "; ".join(findings), REMEDY)

    def _go_on(self, now_s: float) -> None:
        log.warning("The line goes on after %.0f s.", now_s - (self._stands_s or now_s))
        self._stands_s = None
        self._metrics.stands_still.set(0)
        self._tell(standing=False)

    def _tell(self, *, standing: bool) -> None:
        for listener in self._listeners:
            listener(standing)
