"""Turns a deployment into a model that may judge at once: found, verified, checked, open, warm. Places nothing."""

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
from inspector.judging.active_models import DeployedModel, Posts
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

Say = Callable[[WorkerPhase], None]


class PrepareCallbacks(NamedTuple):
    """Who wants a deployment prepared: is told how far it is, and says whether it is still wanted."""

    say: Say
    patience: StillWanted


class Prepared(NamedTuple):
    """What may be placed, and what the check said."""

    placed: DeployedModel
    words: str


class Approval(NamedTuple):
    """Engine that passed, and the golden set that it passed; None: it was asked for none."""

    settings: EngineSettings
    golden: str | None


class Preparer:
    """Prepares one deployment after the other. What it has checked once it does not check again."""

    def __init__(self, service: Service) -> None:
        self._worker = service.config.worker
        self._shelf = BundleStore(service.bundles)
        self._approved: dict[tuple[str, str], Approval] = {}

    def approve(self, recipe: str, digest: str, settings: EngineSettings) -> None:
        """The recipe's own bundle, which was let through when it was opened."""
        self._approved[digest, recipe] = Approval(settings, None)

    def prepare(self, recipe: Recipe, deployment: Deployment, posts: Posts, asker: PrepareCallbacks) -> Prepared:
        """A model that is open already, in `posts`, is taken from there. Raises RefusedError, GivenUpError."""
        asker.say(WorkerPhase.WORKER_PHASE_LOADING)
        try:
            bundle = self._found(recipe, deployment)
            model, words = self._model(recipe, bundle, posts, asker)
        except (BundleError, ConfigError, EngineError) as exc:
            raise RefusedError(str(exc)) from exc
        except (*FAULTS, OSError) as exc:
            log.exception("Deployment %d fails in a way that nobody foresaw.", deployment.number)
            raise RefusedError(f"{type(exc).__name__}: {exc}") from exc
        asker.say(WorkerPhase.WORKER_PHASE_READY)
        return Prepared(DeployedModel(model, deployment.number, deployment.digest), words)

    def _found(self, recipe: Recipe, deployment: Deployment) -> LoadedBundle:
        own = not deployment.folder
        bundle = load(recipe.bundle) if own else self._shelf.get(deployment.folder, deployment.digest)
        if problems := misfits(recipe, bundle.schema):
            raise ConfigError(problems)
        return bundle

    def _model(self, recipe: Recipe, bundle: LoadedBundle, posts: Posts, asker: PrepareCallbacks) -> tuple[Model, str]:
        key, proof = (bundle.digest, recipe.name), ApprovalCache(bundle, recipe, self._worker)
        if known := self._known(key, proof):
            try:
                return self._opened(bundle, known, posts), ""
            except EngineError as exc:  # a device that is gone
                self._approved.pop(key, None)
                log.warning("Bundle %s ran on %s before and does not now (%s): it is checked again.",
                            bundle.folder, known, exc)  # fmt: skip
        asker.say(WorkerPhase.WORKER_PHASE_CHECKING)
        answer = checked(CheckRequest(folder=bundle.folder, recipe=recipe, worker=self._worker), asker.patience)
        settings = EngineSettings.parse(answer.engine, self._worker.threads)
        self._approved[key] = Approval(settings, proof.golden)
        proof.keep(settings)
        return self._opened(bundle, settings, posts), answer.words

    def _known(self, key: tuple[str, str], proof: ApprovalCache) -> EngineSettings | None:
        """What may judge without another check: by this process, or by one before it."""
        approval = self._approved.get(key)
        if approval is not None and approval.golden in (None, proof.golden):
            return approval.settings
        return proof.engine()

    def _opened(self, bundle: LoadedBundle, settings: EngineSettings, posts: Posts) -> Model:
        """The very model, where it is open at some post already."""
        for post in posts.values():
            for placed in (post.live, None if post.trial is None else post.trial.placed):
                if placed is not None and (placed.model.bundle.digest, placed.model.settings) == (
                    bundle.digest,
                    settings,
                ):
                    return placed.model
        model = open_again(bundle, self._worker.wishes, settings)
        warn_without_limits(bundle)
        warm_up(model)
        return model


def check_trial(deployment: Deployment) -> None:
    """Raises RefusedError for what would judge otherwise than its mode says."""
    chosen = bool(deployment.stations) != (0 < deployment.share <= 1)
    whole = not deployment.stations and not deployment.share
    fits = {DeploymentMode.DEPLOYMENT_MODE_CANARY: chosen, DeploymentMode.DEPLOYMENT_MODE_SHADOW: whole}
    if not fits.get(deployment.mode, False):
        raise RefusedError(
            f"mode {deployment.mode}, share {deployment.share:g}, stations {list(deployment.stations)}: a canary has a "
            "share above 0 and at most 1 or stations, a shadow has neither; deploy it again with `inspector deploy`"
        )
