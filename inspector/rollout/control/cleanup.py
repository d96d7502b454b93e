"""Lists the bundles of the store with the deployments, recipes and workers that need them. Removes nothing."""

from collections.abc import Iterator
from typing import NamedTuple

from google.protobuf.message import DecodeError

from inspector.bundle.store import BundleStore
from inspector.config.service import Service
from inspector.rollout.control.commands import DeployError
from inspector.rollout.control.records import ControlTable, read_control
from inspector.rollout.control.wait import REPORTED_S
from protos.inspection.v1.control_pb2 import Deployment, WorkerState
from streams.log import Log
from streams.records import Record

_UNKNOWN = "no deployment of these lines names it: another configuration may; else remove it by hand"


class StoredBundle(NamedTuple):
    """A bundle's folder in the store."""

    name: str
    num_bytes: int
    needed: str
    """Why it stays; empty where nothing needs it."""


def list_with_references(service: Service, source: Log) -> list[StoredBundle]:
    """By name. Raises LogError; DeployError for an unreadable record, which may name any bundle."""
    stored = BundleStore(service.bundles).bundles()  # before the records: ignores bundles that arrive meanwhile
    read_control(source, table := _WholeTable(service.config.prefix, service.config.lines)).close()
    needed = _needed(service, table)
    return [StoredBundle(name, num_bytes, needed.get(name, _UNKNOWN)) for name, num_bytes in sorted(stored.items())]


class _WholeTable(ControlTable):
    def _take(self, line: str, record: Record) -> None:
        try:
            super()._take(line, record)
        except (DecodeError, ValueError) as exc:
            raise DeployError(
                f"{record.topic}@{record.offset}: a record of type {record.type!r} with key {record.key!r} cannot be "
                f"read ({exc}) and may name any bundle, so none is removed: find out who wrote it"
            ) from exc


def _needed(service: Service, table: ControlTable) -> dict[str, str]:
    """By folder; empty for a bundle that was deployed once and is no longer needed."""
    reasons = {deployment.folder: "" for deployment in table.deployments.values()}
    for folder, reason in (*_in_recipes(service), *_in_use(table), *_active(table)):
        reasons[folder] = reason
    return reasons


def _in_recipes(service: Service) -> Iterator[tuple[str, str]]:
    for recipe in service.recipes:
        if recipe.bundle.parent == service.bundles:
            yield recipe.bundle.name, f"recipe {recipe.name} names it"


def _in_use(table: ControlTable) -> Iterator[tuple[str, str]]:
    """Bundles of running workers, deployed or not: a worker that refused the newest one continues with the previous."""
    for at, status in table.workers.items():
        is_alive = status.append_ns > table.newest_ns - int(REPORTED_S * 1e9)
        for key, deployment in table.deployments.items() if is_alive else ():
            if _is_bundle_of(status.state, deployment, key == (at.line, status.state.live)):
                yield deployment.folder, f"{at.worker} judges with it on {at.line}"


def _is_bundle_of(state: WorkerState, deployment: Deployment, is_same_number: bool) -> bool:
    """By the digest where it is reported: of two deployments with the same number, the history holds only the later."""
    return deployment.digest == state.live_digest if state.live_digest else is_same_number


def _active(table: ControlTable) -> Iterator[tuple[str, str]]:
    """The stronger reason comes later."""
    for (line, recipe), active in sorted(table.active.items()):
        for previous in _previous(table, line, active.live):
            yield previous.folder, f"a roll-back of {recipe} on {line} returns to it"
    for (line, recipe), active in sorted(table.active.items()):
        yield active.candidate.folder, f"on trial for {recipe} on {line}"
        yield active.live.folder, f"live for {recipe} on {line}"


def _previous(table: ControlTable, line: str, live: Deployment) -> Iterator[Deployment]:
    """The deployments that repeated roll-backs lead to, up to the recipe's own bundle."""
    deployment, passed = live, set[int]()
    while deployment.folder and deployment.previous not in passed:
        passed.add(deployment.previous)
        deployment = table.deployments.get((line, deployment.previous), Deployment())
        yield deployment
