"""Keeps a table of the control topics up to date, through failures of the log."""

import logging
import time
from collections.abc import Callable
from functools import partial

from inspector.config.service import Service
from inspector.judging.active_models import DeploymentTarget
from inspector.rollout.control.records import ControlTable, read_control
from protos.inspection.v1.control_pb2 import ActiveDeployment
from streams.log import Log, LogError, LogStoppedError, LogUnavailableError, Tail
from streams.outage import Outage, OutageLines, OutagePolicy

log = logging.getLogger("inspector.deploy")

POLICY = OutagePolicy(1.0, 1.0)
LINES = OutageLines(
    log,
    lambda error: f"The control topics cannot be read ({error}): trying again.",
    "The control topics can be read again.",
)


class ControlReader:
    """`table` is replaced when the log is reopened: do not keep a reference to it."""

    def __init__(
        self,
        service: Service,
        source: Log,
        pause: Callable[[float], object],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Waits through outages: `pause` waits so many seconds before the next try; True from it gives up. Raises
        LogError, LogStoppedError where `pause` gave up."""
        self._log, self._pause = source, pause
        self._new_table = partial(ControlTable, service.config.prefix, service.config.lines)
        self.table = self._new_table()
        self._outage = Outage(LINES, POLICY, monotonic)
        self._tail = self._first()

    def active(self, target: DeploymentTarget) -> ActiveDeployment:
        return self.table.active.get(target, ActiveDeployment())

    def read(self) -> bool:
        """Reads new records; False where the log cannot be read now and nothing changed. Raises LogLostError."""
        try:
            self.table.take(self._tail.poll(0.05))
        except self._outage.errors as error:
            self._pause(self._outage.failed(error))
            self._reopen()
            return False
        self._outage.worked()
        return True

    def _first(self) -> Tail:
        while True:
            try:
                return read_control(self._log, self.table, lambda: self._pause(0))
            except LogUnavailableError as exc:
                if self._pause(self._outage.failed(exc)):
                    raise LogStoppedError(f"told to stop while the log could not be read: {exc}") from exc

    def close(self) -> None:
        self._tail.close()

    def _reopen(self) -> None:
        """Reads the new table to its end first: it begins with old records."""
        table = self._new_table()
        try:
            tail = read_control(self._log, table)
        except LogError:
            return
        self._tail.close()
        self._tail, self.table = tail, table
