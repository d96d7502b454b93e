"""Writes deployments and roll-backs to the control topics. Does not wait for workers.

Two people who deploy in the same second may take the same number. The later record counts, and both commands report it.
"""

import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from inspector.access.os_user import os_user_name
from inspector.bundle.load import load
from inspector.bundle.store import BundleStore
from inspector.config.service import Service
from inspector.judging.active_models import DeploymentTarget
from inspector.recipe.compatibility import misfits
from inspector.recipe.problems import ConfigError, Problem
from inspector.recipe.recipe import Recipe
from inspector.rollout.control.records import ControlTable, active_output, deployment_output, targets_of
from protos.inspection.v1.control_pb2 import ActiveDeployment, Deployment, DeploymentMode
from streams.log import Log
from streams.records import Output, Topics

LIVE = DeploymentMode.DEPLOYMENT_MODE_LIVE


@dataclass(frozen=True, slots=True)
class DeployRequest:
    """How a bundle is deployed."""

    mode: DeploymentMode = LIVE
    share: float = 0.0
    stations: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """The records written for one line, and the one that was active there before."""

    target: DeploymentTarget
    deployment: Deployment
    active: ActiveDeployment
    before: ActiveDeployment

    @property
    def expected(self) -> Deployment:
        """The deployment that workers must take up; number 0: the recipe's own bundle."""
        return self.active.candidate if self.active.candidate.number else self.active.live


class DeployError(Exception):
    """The command cannot be carried out; the message says why."""


class DeploymentCommands:
    """Writes to the control topics of one recipe's lines; `table` is up to date."""

    def __init__(
        self, service: Service, recipe: Recipe, table: ControlTable, source: Log, by: str | None = None
    ) -> None:
        """`by` stands in the history; without it, the operating system's user. Raises DeployError."""
        self._by = by or os_user_name()
        self._service, self._recipe, self._table, self._log = service, recipe, table, source
        self.targets = [target for target in targets_of(service) if target.recipe == recipe.name]
        if not self.targets:
            raise DeployError(
                f"recipe {recipe.name!r} applies to line {recipe.line!r}, which this service does not serve"
            )

    def deploy(self, folder: Path, request: DeployRequest) -> list[Change]:
        """Puts the bundle into the store and makes it active. Raises BundleError, ConfigError, LogError."""
        bundle = load(folder)
        if problems := misfits(self._recipe, bundle.schema):
            raise ConfigError(problems)
        name = BundleStore(self._service.bundles).put(bundle)
        deployment = self._deployment(request.mode, request.reason)
        deployment.folder, deployment.digest = name, bundle.digest
        deployment.bundle, deployment.version = bundle.schema.name, bundle.schema.version
        deployment.share = request.share
        deployment.stations.extend(request.stations)
        return self._write([self._change(target, deployment) for target in self.targets])

    def roll_back(self, reason: str) -> list[Change]:
        """Ends the recipe's trials; without trials, returns to the deployments before the live ones. Leaves lines that
        have nothing to roll back. Raises DeployError where no line has, LogError."""
        on_trial = [target for target in self.targets if self._active(target).HasField("candidate")]
        if on_trial:
            return self._write([self._end_trial(target, reason) for target in on_trial])
        deployed = [target for target in self.targets if self._active(target).live.folder]
        if not deployed:
            lines = ", ".join(target.line for target in self.targets)
            raise DeployError(
                f"recipe {self._recipe.name!r} on {lines}: its own bundle judges; there is nothing to roll back to"
            )
        return self._write([self._roll_back_to(target, reason) for target in deployed])

    def withdraw(self, changes: Iterable[Change], reason: str) -> None:
        """Makes the previous records active again, unless somebody has deployed since."""
        outputs: list[Output] = []
        for change in changes:
            if self._table.active.get(change.target) == change.active:
                withdrawn = _copy(change.deployment)
                withdrawn.cancelled_reason = reason or "withdrawn"
                outputs += self._outputs(change.target, withdrawn, change.before)
        self._publish(outputs)

    def _active(self, target: DeploymentTarget) -> ActiveDeployment:
        return self._table.active.get(target, ActiveDeployment())

    def _deployment(self, mode: DeploymentMode, reason: str) -> Deployment:
        return Deployment(
            number=self._table.next_number(),
            recipe=self._recipe.name,
            mode=mode,
            deployed_ns=time.time_ns(),
            by=self._by,
            reason=reason,
        )

    def _change(self, target: DeploymentTarget, deployment: Deployment) -> Change:
        before = self._active(target)
        deployment = _copy(deployment)
        if deployment.mode != LIVE:
            live = before.live if before.HasField("live") else None
            return Change(target, deployment, ActiveDeployment(live=live, candidate=deployment), before)
        deployment.previous = before.live.number
        return Change(target, deployment, ActiveDeployment(live=deployment), before)

    def _end_trial(self, target: DeploymentTarget, reason: str) -> Change:
        before = self._active(target)
        deployment = self._deployment(LIVE, reason)
        deployment.rolls_back = before.candidate.number
        _restore(deployment, before.live)
        return Change(
            target,
            deployment,
            ActiveDeployment(live=before.live) if before.HasField("live") else ActiveDeployment(),
            before,
        )

    def _roll_back_to(self, target: DeploymentTarget, reason: str) -> Change:
        before = self._active(target)
        deployment = self._deployment(LIVE, reason)
        deployment.rolls_back = before.live.number
        _restore(deployment, self._table.deployments.get((target.line, before.live.previous), Deployment()))
        return Change(target, deployment, ActiveDeployment(live=deployment), before)

    def _write(self, changes: list[Change]) -> list[Change]:
        self._publish([out for c in changes for out in self._outputs(c.target, c.deployment, c.active)])
        return changes

    def _outputs(self, target: DeploymentTarget, deployment: Deployment, active: ActiveDeployment) -> list[Output]:
        topics = Topics(self._service.config.prefix, target.line)
        return [deployment_output(topics, deployment), active_output(topics, target.recipe, active)]

    def _publish(self, outputs: list[Output]) -> None:
        with closing(self._log.publisher()) as publisher:
            publisher.publish(outputs)
            publisher.flush()


def _restore(deployment: Deployment, former: Deployment) -> None:
    """Copies the bundle of a former deployment, and its link to the one before."""
    deployment.folder, deployment.digest = former.folder, former.digest
    deployment.bundle, deployment.version = former.bundle, former.version
    deployment.previous = former.previous


def _copy(deployment: Deployment) -> Deployment:
    copy = Deployment()
    copy.CopyFrom(deployment)
    return copy


def recipe_of(service: Service, name: str | None) -> Recipe:
    """The recipe of that name, or the only one. Raises ConfigError."""
    matching = [recipe for recipe in service.recipes if name in (None, recipe.name)]
    if len(matching) == 1:
        return matching[0]
    known = ", ".join(recipe.name for recipe in service.recipes)
    problem = Problem(
        service.path, "recipes", repr(name), f"names {len(matching)} of {known}", "choose one with --recipe"
    )
    raise ConfigError([problem])
