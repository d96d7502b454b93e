"""Keeps a table at what the control topics say, through failures of the log. Acts on nothing."""

import logging
from collections.abc import Callable
from functools import partial

from inspector.config.service import Service
from inspector.judging.active_models import DeploymentTarget
from inspector.rollout.control.records import ControlTable, read_control
from protos.inspection.v1.control_pb2 import Active
from streams.log import Log, LogError, LogLostError, LogStoppedError, LogUnavailableError, Tail

log = logging.getLogger("inspector.deploy")

_PAUSE_S = 1.0
_SAY_EVERY = 60
"""Failures in a row of which one is said: about a minute of them."""


class ControlReader:
    """`table` is replaced whole where the log had to be read anew: ask for it each time."""

    def __init__(self, service: Service, source: Log, pause: Callable[[float], object]) -> None:
        """`pause` waits so many seconds before the log is tried again; True from it gives up. Outages are waited out.
        Raises LogError, LogStoppedError where it was given up."""
        self._log, self._pause = source, pause
        self._new_table = partial(ControlTable, service.config.prefix, service.config.lines)
        self.table = self._new_table()
        self._num_failed = 0
        self._tail = self._first()

    def active(self, place: DeploymentTarget) -> Active:
        return self.table.active.get(place, Active())

    def read(self) -> bool:
        """Takes what is new; False where the log cannot be read and all is as it was. Raises LogLostError."""
        try:
            self.table.take(self._tail.poll(0.05))
        except LogLostError:
            raise
        except LogError as exc:
            if self._num_failed % _SAY_EVERY == 0:
                log.warning("What is deployed cannot be read (%s): tries until it can.", exc)
            self._num_failed += 1
            self._pause(_PAUSE_S)
            self._reopen()
            return False
        self._num_failed = 0
        return True

    def _first(self) -> Tail:
        while True:
            try:
                return read_control(self._log, self.table, lambda: self._pause(0))
            except LogUnavailableError as exc:
                if self._num_failed % _SAY_EVERY == 0:
                    log.warning("What is deployed cannot be read (%s): tries until it can.", exc)
                self._num_failed += 1
                if self._pause(_PAUSE_S):
                    raise LogStoppedError(f"told to stop while the log could not be read: {exc}") from exc

    def close(self) -> None:
        self._tail.close()

    def _reopen(self) -> None:
        """Old records come first: nobody may see the table before it has been read to its end."""
        table = self._new_table()
        try:
            tail = read_control(self._log, table)
        except LogError:
            return
        self._tail.close()
        self._tail, self.table = tail, table
