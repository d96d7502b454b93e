"""Turns a wish of a person into records: what is to judge from now on, or again. Waits for nobody.

Two people who deploy in the same second may take the same number; the later record counts, and both are told whose.
"""

import getpass
import platform
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from inspector.bundle.load import load
from inspector.bundle.store import BundleStore
from inspector.config.service import Service
from inspector.judging.active_models import DeploymentTarget
from inspector.recipe.compatibility import misfits
from inspector.recipe.problems import ConfigError, Problem
from inspector.recipe.recipe import Recipe
from inspector.rollout.control.records import ControlTable, active_output, deployment_output, places_of
from protos.inspection.v1.control_pb2 import Active, Deployment, DeploymentMode
from streams.log import Log
from streams.records import Output, Topics

LIVE = DeploymentMode.DEPLOYMENT_MODE_LIVE


@dataclass(frozen=True, slots=True)
class DeployRequest:
    """How a bundle is to take part."""

    mode: DeploymentMode = LIVE
    share: float = 0.0
    stations: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """What was written for one line, and what counted there before."""

    place: DeploymentTarget
    deployment: Deployment
    active: Active
    before: Active

    @property
    def wanted(self) -> Deployment:
        """That workers take up by this; number 0: the recipe's own bundle."""
        return self.active.trial if self.active.trial.number else self.active.live


class DeployError(Exception):
    """The wish cannot be fulfilled; the message says why."""


class DeploymentCommands:
    """Writes to the control topics of one recipe's lines; `table` is up to date."""

    def __init__(self, service: Service, recipe: Recipe, table: ControlTable, source: Log) -> None:
        self._service, self._recipe, self._table, self._log = service, recipe, table, source
        self.places = [place for place in places_of(service) if place.recipe == recipe.name]
        if not self.places:
            raise DeployError(
                f"recipe {recipe.name!r} holds for line {recipe.line!r}, which this service does not serve"
            )

    def deploy(self, folder: Path, wish: DeployRequest) -> list[Change]:
        """Puts the bundle on the shelf and writes what counts now. Raises BundleError, ConfigError, LogError."""
        bundle = load(folder)
        if problems := misfits(self._recipe, bundle.schema):
            raise ConfigError(problems)
        name = BundleStore(self._service.bundles).put(bundle)
        made = self._deployment(wish.mode, wish.reason)
        made.folder, made.digest = name, bundle.digest
        made.bundle, made.version = bundle.schema.name, bundle.schema.version
        made.share = wish.share
        made.stations.extend(wish.stations)
        return self._write([self._change(place, made) for place in self.places])

    def roll_back(self, reason: str) -> list[Change]:
        """Ends the recipe's trials, or else has judge again what did before the live deployments. Lines that have
        nothing to take back are left as they are. Raises OrderError where all are, LogError."""
        on_trial = [place for place in self.places if self._active(place).HasField("trial")]
        if on_trial:
            return self._write([self._trial_ended(place, reason) for place in on_trial])
        deployed = [place for place in self.places if self._active(place).live.folder]
        if not deployed:
            lines = ", ".join(place.line for place in self.places)
            raise DeployError(
                f"recipe {self._recipe.name!r} on {lines}: its own bundle judges, nothing lies before that"
            )
        return self._write([self._rolled_back(place, reason) for place in deployed])

    def withdraw(self, changes: Iterable[Change], reason: str) -> None:
        """Has count again what counted before, unless somebody has deployed since."""
        outputs: list[Output] = []
        for change in changes:
            if self._table.active.get(change.place) == change.active:
                noted = _copy(change.deployment)
                noted.withdrawn = reason or "withdrawn"
                outputs += self._outputs(change.place, noted, change.before)
        self._publish(outputs)

    def _active(self, place: DeploymentTarget) -> Active:
        return self._table.active.get(place, Active())

    def _deployment(self, mode: DeploymentMode, reason: str) -> Deployment:
        return Deployment(
            number=self._table.next_number(),
            recipe=self._recipe.name,
            mode=mode,
            deployed_ns=time.time_ns(),
            by=f"{getpass.getuser()}@{platform.node()}",
            reason=reason,
        )

    def _change(self, place: DeploymentTarget, deployment: Deployment) -> Change:
        before = self._active(place)
        made = _copy(deployment)
        if made.mode != LIVE:
            return Change(
                place, made, Active(live=before.live if before.HasField("live") else None, trial=made), before
            )
        made.previous = before.live.number
        return Change(place, made, Active(live=made), before)

    def _trial_ended(self, place: DeploymentTarget, reason: str) -> Change:
        before = self._active(place)
        made = self._deployment(LIVE, reason)
        made.rolls_back = before.trial.number
        _take_over(made, before.live)
        return Change(place, made, Active(live=before.live) if before.HasField("live") else Active(), before)

    def _rolled_back(self, place: DeploymentTarget, reason: str) -> Change:
        before = self._active(place)
        made = self._deployment(LIVE, reason)
        made.rolls_back = before.live.number
        _take_over(made, self._table.deployments.get((place.line, before.live.previous), Deployment()))
        return Change(place, made, Active(live=made), before)

    def _write(self, changes: list[Change]) -> list[Change]:
        self._publish([out for c in changes for out in self._outputs(c.place, c.deployment, c.active)])
        return changes

    def _outputs(self, place: DeploymentTarget, deployment: Deployment, active: Active) -> list[Output]:
        topics = Topics(self._service.config.prefix, place.line)
        return [deployment_output(topics, deployment), active_output(topics, place.recipe, active)]

    def _publish(self, outputs: list[Output]) -> None:
        with closing(self._log.publisher()) as publisher:
            publisher.publish(outputs)
            publisher.flush()


def _take_over(made: Deployment, former: Deployment) -> None:
    """The bundle, and the way further back."""
    made.folder, made.digest, made.bundle, made.version = former.folder, former.digest, former.bundle, former.version
    made.previous = former.previous


def _copy(deployment: Deployment) -> Deployment:
    made = Deployment()
    made.CopyFrom(deployment)
    return made


def recipe_of(service: Service, name: str | None) -> Recipe:
    """The recipe of that name, or the only one. Raises ConfigError."""
    found = [recipe for recipe in service.recipes if name in (None, recipe.name)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(recipe.name for recipe in service.recipes)
    problem = Problem(service.path, "recipes", repr(name), f"names {len(found)} of {known}", "choose one with --recipe")
    raise ConfigError([problem])
