"""Detects from its own thread that the main loop makes no progress, and reports it to log, metrics and health."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from inspector.worker.metrics import WorkerMetrics
from inspector.worker.stall import StallWatch

log = logging.getLogger("inspector.worker.watchdog")

REMEDY = (
    "if the log of records does not answer or refuses commits, repair it and this worker continues by itself; "
    "otherwise restart this worker (no data is lost)"
)
Stage = tuple[str, int]
"""A step of a thread, empty while it has nothing to do, and a number that grows with every step."""
_LOOK_S = 1.0
_REMIND_S = 600.0


@dataclass(slots=True)
class _Stuck:
    """For how long a thread has been in the same step."""

    stage: Stage
    for_s: float = 0.0

    def look(self, stage: Stage, look_s: float) -> float:
        self.for_s = self.for_s + look_s if stage == self.stage and stage[0] else 0.0
        self.stage = stage
        return self.for_s


class Watchdog:
    """A context manager. `listeners` are called on its thread: True means a standstill, False that it is over.

    It counts its own looks, not the clock, so that a suspended process is not reported as stalled.
    """

    def __init__(
        self,
        watch: StallWatch,
        metrics: WorkerMetrics,
        listeners: Sequence[Callable[[bool], None]],
        look_s: float = _LOOK_S,
    ) -> None:
        self._watch, self._metrics, self._listeners, self._look_s = watch, metrics, listeners, look_s
        self._loop, self._judging = _Stuck(watch.stage), _Stuck(watch.judging_stage)
        self._stalled_s: float | None = None
        self._logged_s = 0.0
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
        """One look, `look_s` seconds after the last."""
        findings = self._watch.findings
        stages = (("main loop", self._loop, self._watch.stage), ("judge", self._judging, self._watch.judging_stage))
        for name, stuck, stage in stages:
            if stuck.look(stage, self._look_s) > self._watch.settings.after_s:
                findings = (*findings, f"the {name} has been {stage[0]} for {stuck.for_s:.0f} s")
        if findings:
            self._report(findings, now_s)
        elif self._stalled_s is not None:
            self._report_progress(now_s)

    def _report(self, findings: tuple[str, ...], now_s: float) -> None:
        begins = self._stalled_s is None
        if begins:
            self._stalled_s = now_s
            self._metrics.standstills.inc()
            self._metrics.stands_still.set(1)
            self._notify(standing=True)
        if begins or now_s - self._logged_s >= _REMIND_S:
            self._logged_s = now_s
            log.error("The line stands still: %s. To do: %s.", "; ".join(findings), REMEDY)

    def _report_progress(self, now_s: float) -> None:
        log.warning("The line runs again after a standstill of %.0f s.", now_s - (self._stalled_s or now_s))
        self._stalled_s = None
        self._metrics.stands_still.set(0)
        self._notify(standing=False)

    def _notify(self, *, standing: bool) -> None:
        for listener in self._listeners:
            listener(standing)
