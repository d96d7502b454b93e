"""Prepares the model of a deployment: loads, verifies, checks, opens and warms it. Does not install it."""

import logging
from collections.abc import Callable
from typing import NamedTuple

from inspector.bundle.load import BundleError, LoadedBundle, load
from inspector.bundle.store import BundleStore
from inspector.config.service import Service
from inspector.engines.engine import EngineError, EngineSettings
from inspector.inference.model import Model
from inspector.inference.opening import open_again
from inspector.inference.warm_up import warm_up
from inspector.judging.active_models import DeployedModel, Slots
from inspector.plausibility.log import warn_without_limits
from inspector.recipe.compatibility import misfits
from inspector.recipe.problems import ConfigError
from inspector.recipe.recipe import Recipe
from inspector.rollout.approvals import ApprovalCache
from inspector.rollout.check_process import CheckRequest
from inspector.rollout.run_check import RefusedError, StillWanted, checked
from inspector.rollout.shadow import FAULTS
from protos.inspection.v1.control_pb2 import Deployment, DeploymentMode, WorkerPhase

log = logging.getLogger("inspector.deploy")


class PrepareCallbacks(NamedTuple):
    """How the caller hears of the progress, and whether it still wants the deployment."""

    report: Callable[[WorkerPhase], None]
    is_wanted: StillWanted


class Prepared(NamedTuple):
    """A model that may judge, and the outcome of its check."""

    placed: DeployedModel
    detail: str


class Approval(NamedTuple):
    """Engine that passed, and the golden set that it passed; None: no golden set was needed."""

    settings: EngineSettings
    golden: str | None


class Preparer:
    """Prepares one deployment after the other, and checks none twice."""

    def __init__(self, service: Service) -> None:
        self._worker = service.config.worker
        self._store = BundleStore(service.bundles)
        self._approved: dict[tuple[str, str], Approval] = {}

    def approve(self, recipe: str, digest: str, settings: EngineSettings) -> None:
        """For the recipe's own bundle, which is checked when it is opened."""
        self._approved[digest, recipe] = Approval(settings, None)

    def prepare(self, recipe: Recipe, deployment: Deployment, slots: Slots, callbacks: PrepareCallbacks) -> Prepared:
        """Reuses a model that is open in `slots`. Raises RefusedError, PreparationCancelledError."""
        callbacks.report(WorkerPhase.WORKER_PHASE_LOADING)
        try:
            bundle = self._load(recipe, deployment)
            model, detail = self._model(recipe, bundle, slots, callbacks)
        except (BundleError, ConfigError, EngineError) as exc:
            raise RefusedError(str(exc)) from exc
        except (*FAULTS, OSError) as exc:
            log.exception(
                "Deployment %d failed with an unexpected error and is refused; report the trace below.",
                deployment.number,
            )
            raise RefusedError(f"{type(exc).__name__}: {exc}") from exc
        callbacks.report(WorkerPhase.WORKER_PHASE_READY)
        return Prepared(DeployedModel(model, deployment.number, deployment.digest), detail)

    def _load(self, recipe: Recipe, deployment: Deployment) -> LoadedBundle:
        in_store = bool(deployment.folder)
        bundle = self._store.get(deployment.folder, deployment.digest) if in_store else load(recipe.bundle)
        if problems := misfits(recipe, bundle.schema):
            raise ConfigError(problems)
        return bundle

    def _model(
        self, recipe: Recipe, bundle: LoadedBundle, slots: Slots, callbacks: PrepareCallbacks
    ) -> tuple[Model, str]:
        key, approval_cache = (bundle.digest, recipe.name), ApprovalCache(bundle, recipe, self._worker)
        if settings := self._approved_settings(key, approval_cache):
            try:
                return self._open(bundle, settings, slots), ""
            except EngineError as exc:  # a device that is gone
                self._approved.pop(key, None)
                log.warning("Bundle %s no longer runs on %s (%s): checking it again.",
                            bundle.folder, settings, exc)  # fmt: skip
        callbacks.report(WorkerPhase.WORKER_PHASE_CHECKING)
        result = checked(CheckRequest(folder=bundle.folder, recipe=recipe, worker=self._worker), callbacks.is_wanted)
        settings = EngineSettings.parse(result.engine, self._worker.threads)
        self._approved[key] = Approval(settings, approval_cache.golden)
        approval_cache.keep(settings)
        return self._open(bundle, settings, slots), result.message

    def _approved_settings(self, key: tuple[str, str], approval_cache: ApprovalCache) -> EngineSettings | None:
        """The engine that passed a check of this process or of an earlier one; None where the bundle needs a check."""
        approval = self._approved.get(key)
        if approval is not None and approval.golden in (None, approval_cache.golden):
            return approval.settings
        return approval_cache.engine()

    def _open(self, bundle: LoadedBundle, settings: EngineSettings, slots: Slots) -> Model:
        """Reuses the model of a slot that has it open."""
        for slot in slots.values():
            for placed in (slot.live, None if slot.trial is None else slot.trial.placed):
                if placed is not None and (placed.model.bundle.digest, placed.model.settings) == (
                    bundle.digest,
                    settings,
                ):
                    return placed.model
        model = open_again(bundle, self._worker.engine_preferences, settings)
        warn_without_limits(bundle)
        warm_up(model)
        return model


def check_trial(deployment: Deployment) -> None:
    """Raises RefusedError where share and stations do not fit the mode."""
    is_canary = bool(deployment.stations) != (0 < deployment.share <= 1)
    is_shadow = not deployment.stations and not deployment.share
    fits = {DeploymentMode.DEPLOYMENT_MODE_CANARY: is_canary, DeploymentMode.DEPLOYMENT_MODE_SHADOW: is_shadow}
    if not fits.get(deployment.mode, False):
        raise RefusedError(
            f"mode {deployment.mode}, share {deployment.share:g}, stations {list(deployment.stations)}: a canary has a "
            "share above 0 and at most 1 or stations, a shadow has neither; deploy it again with `inspector deploy`"
        )
