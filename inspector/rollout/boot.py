"""Fills the slots of a process for the first time: with the active deployments, else with the recipes' bundles.

A deployment that this worker has judged with before and cannot open now is an error: nobody has said what should judge
instead. Any other deployment that is refused leaves the slot to the one that it replaced.
"""

from inspector.bundle.load import BundleError
from inspector.inference.opening import open_models
from inspector.judging.active_models import DeployedModel, DeploymentTarget, Slot
from inspector.recipe.recipe import Recipe
from inspector.recipe.recipes import ANY
from inspector.rollout.admission import Admission
from inspector.rollout.installer import Installer, is_live
from inspector.rollout.run_check import PreparationCancelledError, RefusedError
from inspector.rollout.settle import settle
from protos.inspection.v1.control_pb2 import ActiveDeployment, Deployment, WorkerPhase


def boot(installer: Installer) -> None:
    """May take minutes: opens bundles and runs their checks. Raises BundleError, ConfigError, EngineError,
    LogLostError; PreparationCancelledError where the service is told to stop. A failed boot may be repeated."""
    installer.tried = dict.fromkeys(installer.targets, ActiveDeployment())
    deployed = [target for target in installer.targets if installer.control.active(target).live.number]
    models = _open_recipe_bundles(installer, deployed)
    for target, recipe in installer.targets.items():
        slot = _first_slot(installer, target, recipe) if target in deployed else Slot(models[recipe.name])
        installer.install(target, slot)
        if is_live(slot, installer.tried[target].live):
            installer.report(target, slot.live, WorkerPhase.WORKER_PHASE_LIVE)
    settle(installer)


def boot_worker(installer: Installer) -> None:
    """Boots, and closes the installer where that fails: the worker does not start then. Raises what `boot` raises."""
    try:
        boot(installer)
    except BaseException:
        installer.close(has_failed=False)
        raise


def _open_recipe_bundles(installer: Installer, deployed: list[DeploymentTarget]) -> dict[str, DeployedModel]:
    """By recipe. Opens the bundle of every recipe without a deployment on at least one line."""
    recipes, worker = installer.service.recipes, installer.service.config.worker
    replaced_somewhere = [recipe for target, recipe in installer.targets.items() if target in deployed]
    replaced_nowhere = [recipe for recipe in recipes if not any(recipe is other for other in replaced_somewhere)]
    not_deployed = [recipe for target, recipe in installer.targets.items() if target not in deployed]
    needed = [*replaced_nowhere, *not_deployed]
    models = open_models(needed, worker.engine_preferences, lambda checked: Admission(checked, worker.max_batch))
    by_folder = {folder: DeployedModel(model) for folder, model in models.items()}
    for recipe in recipes:
        if model := models.get(recipe.bundle):
            installer.preparer.approve(recipe.name, model.bundle.digest, model.settings)
    for recipe in replaced_nowhere:
        installer.active_models.set(DeploymentTarget(ANY, recipe.name), Slot(by_folder[recipe.bundle]))
    return {recipe.name: by_folder[recipe.bundle] for recipe in needed}


def _first_slot(installer: Installer, target: DeploymentTarget, recipe: Recipe) -> Slot:
    while True:
        deployment = installer.control.active(target).live
        installer.tried[target] = ActiveDeployment(live=deployment)
        try:
            return _open_deployed(installer, target, recipe, deployment)
        except PreparationCancelledError:  # something else was deployed meanwhile
            if installer.stop.is_set():
                raise


def _open_deployed(installer: Installer, target: DeploymentTarget, recipe: Recipe, deployment: Deployment) -> Slot:
    last_report = installer.control.table.statuses(target).get(installer.service.config.worker.name)
    if last_report is not None:
        installer.reports.restore(target, last_report.state)
    try:
        return Slot(installer.prepare(target, recipe, deployment).placed)
    except RefusedError as exc:
        if last_report is not None and last_report.is_serving(deployment):  # even where other workers have it
            raise BundleError(
                f"deployment {deployment.number} of recipe {recipe.name!r} on {target.line} has judged here and "
                f"cannot be opened now: {exc}\nbring the bundle back, or `inspector rollback` from any machine"
            ) from exc
        previous = _open_previous(installer, target, recipe, deployment)
        installer.install(target, previous)
        installer.report_refused(target, deployment, exc)
    return previous


def _open_previous(installer: Installer, target: DeploymentTarget, recipe: Recipe, refused: Deployment) -> Slot:
    deployments = installer.control.table.deployments
    previous = deployments.get((target.line, refused.previous), Deployment(recipe=recipe.name))
    try:
        return Slot(installer.prepare(target, recipe, previous).placed)
    except RefusedError as exc:
        raise BundleError(f"neither deployment {refused.number} nor the one before it can be opened: {exc}") from exc
