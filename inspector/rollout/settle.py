"""Applies new control records to the slots of a running process."""

from dataclasses import replace

from inspector.judging.active_models import DeploymentTarget, Slots, Trial
from inspector.recipe.recipe import Recipe
from inspector.rollout.installer import Installer, is_live
from inspector.rollout.prepare import check_trial
from inspector.rollout.run_check import PreparationCancelledError, RefusedError
from protos.inspection.v1.control_pb2 import Deployment, WorkerPhase

_LIVE = WorkerPhase.WORKER_PHASE_LIVE


def settle(installer: Installer) -> None:
    """Acts on new records. The trial comes first: a refusal of the live deployment must be the last report."""
    for target, recipe in installer.targets.items():
        active, before = installer.control.active(target), installer.tried[target]
        slots = installer.active_models.slots
        installer.tried[target] = active
        try:
            if active.candidate != before.candidate:
                _settle_trial(installer, target, recipe, active.candidate)
            if active.live != before.live:
                _settle_live(installer, target, recipe, active.live, slots)
        except PreparationCancelledError:
            installer.tried[target] = before
            installer.report(target, installer.active_models.slots[target].live, _LIVE)


def _settle_live(
    installer: Installer, target: DeploymentTarget, recipe: Recipe, deployment: Deployment, slots: Slots
) -> None:
    """`slots` may hold the model of a trial that has just ended."""
    detail = ""
    if not is_live(installer.active_models.slots[target], deployment):  # else it was cancelled before it judged here
        try:
            prepared = installer.prepare(target, recipe, deployment, slots)
        except RefusedError as exc:
            installer.report_refused(target, deployment, exc)
            return
        detail = prepared.detail
        installer.install(target, replace(installer.active_models.slots[target], live=prepared.placed))
    installer.report(target, deployment, _LIVE, detail)


def _settle_trial(installer: Installer, target: DeploymentTarget, recipe: Recipe, deployment: Deployment) -> None:
    if not deployment.number:
        end_trial(installer, target)
        installer.report(target, installer.active_models.slots[target].live, _LIVE)
        return
    try:
        check_trial(deployment)
        prepared = installer.prepare(target, recipe, deployment)
    except RefusedError as exc:
        end_trial(installer, target)
        installer.report_refused(target, deployment, exc)
        return
    trial = Trial(prepared.placed, deployment.share, frozenset(deployment.stations))
    installer.install(target, replace(installer.active_models.slots[target], trial=trial))
    installer.report(target, deployment, _LIVE, prepared.detail)


def end_trial(installer: Installer, target: DeploymentTarget) -> None:
    installer.install(target, replace(installer.active_models.slots[target], trial=None))
