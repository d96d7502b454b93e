"""Follows the control topics in a thread of its own and changes the slots as they say. The line runs on meanwhile.

A deployment that is refused here changes nothing: the models that judged before stay, after a restart too.
"""

from threading import Event, Thread
from typing import Protocol

from inspector.judging.active_models import DeployedModel
from inspector.rollout.installer import Installer
from inspector.rollout.on_demand import ModelsOnDemand
from inspector.rollout.run_check import RefusedError
from inspector.rollout.settle import end_trial, settle
from inspector.rollout.shadow import Fault
from protos.inspection.v1.control_pb2 import Deployment
from streams.log import LogLostError

LOOK_S = 0.2
STOP_S = 5.0


class FollowerError(Exception):
    """Deployments are no longer followed; the message says why."""


class FaultSource(Protocol):
    def fault(self) -> Fault | None:
        """The next error of a shadow that was not returned yet."""


class Follower:
    """Follows from `start` to `stop`. `on_demand` opens the models where the process did not open them at its start."""

    def __init__(
        self, installer: Installer, shadow: FaultSource | None = None, on_demand: ModelsOnDemand | None = None
    ) -> None:
        """`shadow` reports its faults."""
        self._installer, self._shadow, self._on_demand = installer, shadow, on_demand
        self._stop: Event = installer.stop
        self._has_failed = False
        self._lost_log: LogLostError | None = None
        self._thread = Thread(target=self.run, name="deployments", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Cancels a preparation that runs. Raises FollowerError where the thread had ended before."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S)
        if self._lost_log is not None:
            raise FollowerError(str(self._lost_log)) from self._lost_log
        if self._has_failed:
            raise FollowerError(
                "following deployments failed, see the error in the log; the service stopped after it had published "
                "every verdict: start it again, and report the error"
            )

    def run(self) -> None:
        """A lost log or an unforeseen error stops the service: it would judge with models that nobody wants."""
        try:
            while not self._stop.wait(LOOK_S):
                self.look()
        except LogLostError as exc:
            self._lost_log = exc
            self._stop.set()
        except BaseException:
            self._has_failed = True
            self._stop.set()
            raise
        finally:
            if self._on_demand is not None:
                self._on_demand.close()
            self._installer.close(has_failed=self._has_failed)

    def look(self) -> None:
        """One round: reads the control topics and acts on new records."""
        installer = self._installer
        installer.free_replaced()
        installer.read()
        if self._on_demand is not None and not self._on_demand.open_if_wanted():
            return
        self._end_failed_shadows()
        settle(installer)
        installer.reports.heartbeat(installer.active_models.slots)

    def _end_failed_shadows(self) -> None:
        while self._shadow is not None and (fault := self._shadow.fault()):
            for target in self._installer.targets:
                if self._installer.active_models.slots[target].shadow is fault.placed:  # else it was replaced meanwhile
                    end_trial(self._installer, target)
                    self._installer.report_refused(target, _deployment_of(fault.placed), RefusedError(fault.message))


def _deployment_of(placed: DeployedModel) -> Deployment:
    schema = placed.model.schema
    return Deployment(number=placed.number, digest=placed.digest, bundle=schema.name, version=schema.version)
