"""Prepares models, puts them into the slots of this process and reports it. Does not decide what to deploy."""

import logging
from functools import partial
from threading import Event

from inspector.config.service import Service
from inspector.judging.active_models import ActiveModels, DeploymentRef, DeploymentTarget, Slot, Slots
from inspector.recipe.recipe import Recipe
from inspector.recipe.recipes import ANY
from inspector.rollout.control.reader import ControlReader
from inspector.rollout.control.records import phase_word, targets_of
from inspector.rollout.metrics import DeployMetrics
from inspector.rollout.prepare import PrepareCallbacks, Prepared, Preparer
from inspector.rollout.run_check import PreparationCancelledError, RefusedError
from inspector.rollout.worker_status import Reports
from protos.inspection.v1.control_pb2 import ActiveDeployment, Deployment, WorkerPhase
from streams.log import Log

log = logging.getLogger("inspector.deploy")

REMEDY = "the line continues as before: fix the bundle and deploy it again, or `inspector rollback`"


class Installer:
    """One thread uses it; judges may read `active_models` at any time."""

    def __init__(self, service: Service, source: Log, reports: Reports, metrics: DeployMetrics, stop: Event) -> None:
        """Reads the control topics; opens no model. Raises LogError, LogStoppedError when `stop` is set meanwhile."""
        self.service, self.reports, self.stop = service, reports, stop
        self.targets = targets_of(service)
        self.control = ControlReader(service, source, stop.wait)
        self.preparer = Preparer(service)
        self.active_models = ActiveModels({})
        self.tried = dict.fromkeys(self.targets, ActiveDeployment())
        """The last record tried, successful or not: whole records, because two may have the same number."""
        self._metrics = metrics
        self._replaced: list[Slot] = []
        """Kept for one round, so that the judging thread does not free the models."""

    def read(self) -> None:
        """Reads new control records. Raises LogLostError."""
        if self.control.read():
            self._metrics.looked.set_to_current_time()

    def free_replaced(self) -> None:
        self._replaced.clear()

    def prepare(
        self, target: DeploymentTarget, recipe: Recipe, deployment: Deployment, slots: Slots | None = None
    ) -> Prepared:
        """Takes a model that is open in `slots` already; by default in those of this process. Raises RefusedError, and
        PreparationCancelledError where another worker has refused the deployment or a newer one has come meanwhile."""
        tried, open_slots = self.tried[target], self.active_models.slots if slots is None else slots
        report, is_wanted = partial(self.report, target, deployment), partial(self._is_wanted, target, tried)
        prepared = self.preparer.prepare(recipe, deployment, open_slots, PrepareCallbacks(report, is_wanted))
        if not is_wanted():
            raise PreparationCancelledError
        return prepared

    def install(self, target: DeploymentTarget, slot: Slot) -> None:
        """Judges use the slot from their next call on."""
        if replaced := self.active_models.slots.get(target):
            self._replaced.append(replaced)
        self.active_models.set(target, slot)
        if target == next(other for other in self.targets if other.recipe == target.recipe):
            self.active_models.set(DeploymentTarget(ANY, target.recipe), slot)
        self._metrics.live.labels(*target).set(slot.live.number)

    def report(self, target: DeploymentTarget, ref: DeploymentRef, phase: WorkerPhase, detail: str = "") -> None:
        log.info("Line %s, recipe %s: deployment %d is %s here.", *target, ref.number, phase_word(phase))
        self.reports.report(target, ref, phase, detail, self.active_models.slots.get(target))

    def report_refused(self, target: DeploymentTarget, deployment: Deployment, error: RefusedError) -> None:
        log.error("Line %s, recipe %s: deployment %d (%s %s) is REFUSED here, %s: %s",
                  *target, deployment.number, deployment.bundle, deployment.version, REMEDY, error)  # fmt: skip
        self._metrics.refused.labels(*target).inc()
        self.report(target, deployment, WorkerPhase.WORKER_PHASE_REFUSED, str(error))

    def close(self, *, has_failed: bool) -> None:
        """Reports that the worker has stopped, unless it failed: `inspector deploy` waits for a worker that failed,
        because the deployment may be the cause."""
        self.control.close()
        if self.stop.is_set() and not has_failed:
            self.reports.report_stopped()
        self.reports.close()

    def _is_wanted(self, target: DeploymentTarget, tried: ActiveDeployment) -> bool:
        """Reads new control records and sends a heartbeat: a preparation may take minutes."""
        self.read()
        self.reports.heartbeat(self.active_models.slots)
        active = self.control.active(target)
        is_same = tried.live == active.live and tried.candidate in (active.candidate, Deployment())
        return is_same and not self.stop.is_set()


def is_live(slot: Slot, ref: DeploymentRef) -> bool:
    return (slot.live.number, slot.live.digest) == (ref.number, ref.digest)
