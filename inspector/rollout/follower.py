"""Follows the control topics and has the line-up do what they say: one thread beside the line, which it never stops.

A deployment that is refused here changes nothing: what judged before judges on, after a restart too. One that has
judged here already and cannot be opened now keeps the worker from starting: nobody has said what should judge instead.
"""

import logging
from dataclasses import replace
from functools import partial
from threading import Event, Thread

from inspector.bundle.load import BundleError
from inspector.config.service import Service
from inspector.inference.opening import open_models
from inspector.judging.active_models import (
    ActiveModels,
    DeployedModel,
    DeploymentRef,
    DeploymentTarget,
    Slot,
    Slots,
    Trial,
)
from inspector.recipe.recipe import Recipe
from inspector.recipe.recipes import ANY
from inspector.rollout.admission import Admission
from inspector.rollout.control.reader import ControlReader
from inspector.rollout.control.records import phase_word, places_of
from inspector.rollout.metrics import DeployMetrics
from inspector.rollout.prepare import PrepareCallbacks, Prepared, Preparer, check_trial
from inspector.rollout.run_check import PreparationCancelledError, RefusedError
from inspector.rollout.shadow import Shadow
from inspector.rollout.worker_status import Reports
from protos.inspection.v1.control_pb2 import Active, Deployment, WorkerPhase
from streams.log import Log, LogLostError

log = logging.getLogger("inspector.deploy")

LOOK_S = 0.2
STOP_S = 5.0


class FollowerError(Exception):
    """What is deployed is followed no more."""


REMEDY = "the line goes on as before: mend the bundle and deploy it again, or `inspector rollback`"


class Follower:
    """`lineup` is ready when this is made. Raises BundleError, EngineError, ConfigError, LogError; GivenUpError when
    `stop` is set meanwhile."""

    def __init__(self, service: Service, source: Log, reports: Reports, metrics: DeployMetrics, stop: Event) -> None:
        self._service, self._reports, self._metrics = service, reports, metrics
        self._places = places_of(service)
        self._stop = stop
        self._preparer = Preparer(service)
        self._shadow: Shadow | None = None
        self._retired: list[Slot] = []
        """Kept for one look, so that what judged until now is not freed by the thread that judges."""
        self._has_failed = False
        self._lost_log: LogLostError | None = None
        self._thread = Thread(target=self._run, name="deployments", daemon=True)
        self._control = ControlReader(service, source, stop.wait)
        self._tried = dict.fromkeys(self._places, Active())
        """What was tried last, whatever came of it: whole records, for two may have the same number."""
        self.active_models = ActiveModels({})
        try:
            self._begin()
            self._settle()
        except BaseException:
            self._close()
            raise

    def start(self, shadow: Shadow | None = None) -> None:
        """Follows from now on; `shadow` tells of faults."""
        self._shadow = shadow
        self._thread.start()

    def stop(self) -> None:
        """A bundle that is being prepared is given up. Raises FollowerError where following had ended before."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S)
        if self._lost_log is not None:
            raise FollowerError(str(self._lost_log)) from self._lost_log
        if self._has_failed:
            raise FollowerError(
                "deployments could be followed no more, see the error in the log: the service stops when all that it "
                "has decided is published; start it again, and report the error"
            )

    # At the start

    def _begin(self) -> None:
        """Posts what counts, and the recipes' own bundles where nothing was ever deployed."""
        deployed = [place for place in self._places if self._control.active(place).live.number]
        recipes = self._service.recipes
        kept = [r for r in recipes if not any(p in deployed for p, own in self._places.items() if own is r)]
        worker, others = self._service.config.worker, (p for p in self._places if p not in deployed)
        opened = [*kept, *(self._places[p] for p in others)]
        models = open_models(opened, worker.engine_preferences, lambda judged: Admission(judged, worker.max_batch))
        own = {folder: DeployedModel(model) for folder, model in models.items()}
        for recipe in recipes:
            if model := models.get(recipe.bundle):
                self._preparer.approve(recipe.name, model.bundle.digest, model.settings)
        for recipe in kept:
            self.active_models.set(DeploymentTarget(ANY, recipe.name), Slot(own[recipe.bundle]))
        for place, recipe in self._places.items():
            post = self._first_post(place, recipe) if place in deployed else Slot(own[recipe.bundle])
            self._set(place, post)
            if _judges(post, self._tried[place].live):
                self._say(place, post.live, WorkerPhase.WORKER_PHASE_LIVE)

    def _first_post(self, place: DeploymentTarget, recipe: Recipe) -> Slot:
        while True:
            deployment = self._control.active(place).live
            self._tried[place] = Active(live=deployment)
            try:
                return self._first_try(place, recipe, deployment)
            except PreparationCancelledError:  # something else was deployed meanwhile
                if self._stop.is_set():
                    raise

    def _first_try(self, place: DeploymentTarget, recipe: Recipe, deployment: Deployment) -> Slot:
        own = self._control.table.words(place).get(self._service.config.worker.name)
        if own is not None:
            self._reports.restore(place, own.state)
        try:
            return Slot(self._prepare(place, recipe, deployment).placed)
        except RefusedError as exc:
            if own is not None and own.is_serving(deployment):  # whatever others took up
                raise BundleError(
                    f"deployment {deployment.number} of recipe {recipe.name!r} on {place.line} has judged here and "
                    f"cannot be opened now: {exc}\nbring the bundle back, or `inspector rollback` from any machine"
                ) from exc
            former = self._before(place, recipe, deployment)
            self._set(place, former)
            self._refused(place, deployment, exc)
        return former

    def _before(self, place: DeploymentTarget, recipe: Recipe, refused: Deployment) -> Slot:
        """What the line goes on with while it refuses a deployment."""
        former = self._control.table.deployments.get((place.line, refused.previous), Deployment(recipe=recipe.name))
        try:
            return Slot(self._prepare(place, recipe, former).placed)
        except RefusedError as exc:
            raise BundleError(f"neither deployment {refused.number} nor what it replaced can be opened: {exc}") from exc

    # Beside the line

    def _run(self) -> None:
        """A lost log and an error that nobody foresaw stop the service: it would judge on with what nobody wants."""
        try:
            while not self._stop.wait(LOOK_S):
                self._retired.clear()
                self._read()
                self._end_failed_shadows()
                self._settle()
                self._reports.heartbeat(self.active_models.slots)
        except LogLostError as exc:
            self._lost_log = exc
            self._stop.set()
        except BaseException:
            self._has_failed = True
            self._stop.set()
            raise
        finally:
            self._close()

    def _read(self) -> None:
        if self._control.read():
            self._metrics.looked.set_to_current_time()

    def _close(self) -> None:
        """A worker that was stopped is not waited for; one that fails is: what was ordered may be the cause."""
        self._control.close()
        if self._stop.is_set() and not self._has_failed:
            self._reports.report_stopped()
        self._reports.close()

    def _settle(self) -> None:
        """Does what is new in the records. The trial first: a refusal must be the last that is told of a place."""
        for place, recipe in self._places.items():
            active, before, posts = self._control.active(place), self._tried[place], self.active_models.slots
            self._tried[place] = active
            try:
                if active.trial != before.trial:
                    self._settle_trial(place, recipe, active.trial)
                if active.live != before.live:
                    self._settle_live(place, recipe, active.live, posts)
            except PreparationCancelledError:
                self._tried[place] = before
                self._say(place, self.active_models.slots[place].live, WorkerPhase.WORKER_PHASE_LIVE)

    def _settle_live(self, place: DeploymentTarget, recipe: Recipe, deployment: Deployment, posts: Slots) -> None:
        """`posts` may hold the model on a trial that has just ended."""
        words = ""
        if not _judges(self.active_models.slots[place], deployment):  # else it was withdrawn before it judged here
            try:
                prepared = self._prepare(place, recipe, deployment, posts)
            except RefusedError as exc:
                self._refused(place, deployment, exc)
                return
            words = prepared.words
            self._set(place, replace(self.active_models.slots[place], live=prepared.placed))
        self._say(place, deployment, WorkerPhase.WORKER_PHASE_LIVE, words)

    def _settle_trial(self, place: DeploymentTarget, recipe: Recipe, deployment: Deployment) -> None:
        if not deployment.number:
            self._set(place, replace(self.active_models.slots[place], trial=None))
            self._say(place, self.active_models.slots[place].live, WorkerPhase.WORKER_PHASE_LIVE)
            return
        try:
            check_trial(deployment)
            prepared = self._prepare(place, recipe, deployment)
        except RefusedError as exc:
            self._set(place, replace(self.active_models.slots[place], trial=None))
            self._refused(place, deployment, exc)
            return
        trial = Trial(prepared.placed, deployment.share, frozenset(deployment.stations))
        self._set(place, replace(self.active_models.slots[place], trial=trial))
        self._say(place, deployment, WorkerPhase.WORKER_PHASE_LIVE, prepared.words)

    def _end_failed_shadows(self) -> None:
        while self._shadow is not None and (fault := self._shadow.fault()):
            failed = fault.placed
            for place in self._places:
                post = self.active_models.slots[place]
                if post.shadow is failed:  # else it was replaced meanwhile
                    self._set(place, replace(post, trial=None))
                    self._refused(place, _named(failed), RefusedError(fault.words))

    def _prepare(
        self, place: DeploymentTarget, recipe: Recipe, deployment: Deployment, posts: Slots | None = None
    ) -> Prepared:
        """Raises RefusedError; GivenUpError for what counts no more, even when all is done: another worker may have
        refused it meanwhile."""
        tried, known = self._tried[place], self.active_models.slots if posts is None else posts
        asker = PrepareCallbacks(partial(self._say, place, deployment), partial(self._is_wanted, place, tried))
        prepared = self._preparer.prepare(recipe, deployment, known, asker)
        if not asker.patience():
            raise PreparationCancelledError
        return prepared

    def _is_wanted(self, place: DeploymentTarget, tried: Active) -> bool:
        """Reads what has come meanwhile, and shows that this worker lives."""
        self._read()
        self._reports.heartbeat(self.active_models.slots)
        active = self._control.active(place)
        is_same = tried.live == active.live and tried.trial in (active.trial, Deployment())
        return is_same and not self._stop.is_set()

    def _set(self, place: DeploymentTarget, post: Slot) -> None:
        if former := self.active_models.slots.get(place):
            self._retired.append(former)
        self.active_models.set(place, post)
        if place == next(each for each in self._places if each.recipe == place.recipe):
            self.active_models.set(DeploymentTarget(ANY, place.recipe), post)
        self._metrics.live.labels(*place).set(post.live.number)

    def _refused(self, place: DeploymentTarget, deployment: Deployment, finding: RefusedError) -> None:
        log.error("Line %s, recipe %s: deployment %d (%s %s) is REFUSED here, %s: %s",
                  *place, deployment.number, deployment.bundle, deployment.version, REMEDY, finding)  # fmt: skip
        self._metrics.refused.labels(*place).inc()
        self._say(place, deployment, WorkerPhase.WORKER_PHASE_REFUSED, str(finding))

    def _say(self, place: DeploymentTarget, of: DeploymentRef, phase: WorkerPhase, detail: str = "") -> None:
        log.info("Line %s, recipe %s: deployment %d is %s here.", *place, of.number, phase_word(phase))
        self._reports.say(place, of, phase, detail, self.active_models.slots.get(place))


def _judges(post: Slot, of: DeploymentRef) -> bool:
    return (post.live.number, post.live.digest) == (of.number, of.digest)


def _named(placed: DeployedModel) -> Deployment:
    schema = placed.model.schema
    return Deployment(number=placed.number, digest=placed.digest, bundle=schema.name, version=schema.version)
