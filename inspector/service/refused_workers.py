"""Watches the control topics for workers that refuse a bundle or an engine, for the alerts."""

import logging
import threading
from collections.abc import Sequence
from contextlib import closing

from inspector.alerts.desk import Finding
from inspector.alerts.place import Place
from inspector.config.service import Service
from inspector.rollout.control.records import ControlTable, read_control
from protos.inspection.v1.control_pb2 import WorkerPhase
from streams.log import Log, LogError

log = logging.getLogger("inspector.service.alerts")

POLL_S = 0.5
RETRY_S = 5.0


class RefusedWorkers:
    """A probe of `inspector.alerts.watch`, and follows the control topics in the thread that calls `run`."""

    condition = "refused-engine"

    def __init__(self, service: Service, source: Log, stop: threading.Event) -> None:
        self._table = ControlTable(service.config.prefix, service.config.lines)
        self._source, self._stop = source, stop
        self._lock = threading.Lock()
        self._findings: Sequence[Finding] | None = None

    def find(self) -> Sequence[Finding] | None:
        with self._lock:
            return self._findings

    def run(self) -> None:
        while not self._stop.is_set():
            try:
                self._follow()
            except LogError as error:
                log.debug("The control topics cannot be read (%s); tries again.", error)
                self._stop.wait(RETRY_S)

    def _follow(self) -> None:
        with closing(read_control(self._source, self._table, self._stop.is_set)) as tail:
            while not self._stop.is_set():
                self._note()
                self._table.take(tail.poll(POLL_S))

    def _note(self) -> None:
        findings = [
            Finding(
                Place(self.condition, at.line, "", f"{at.worker} {at.recipe}"),
                "act_now",
                "a worker refuses a bundle or an engine, and judges with what it had before",
                status.state.detail or "its log says why",
            )
            for at, status in sorted(self._table.workers.items())
            if status.state.phase == WorkerPhase.WORKER_PHASE_REFUSED
        ]
        with self._lock:
            self._findings = findings
