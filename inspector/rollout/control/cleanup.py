"""Says of every bundle on the shelf who may still ask for it, by the control records. Removes nothing."""

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

_UNKNOWN = "no deployment of these lines names it: another configuration's, or remove it by hand"


class StoredBundle(NamedTuple):
    """A bundle's folder on the shelf."""

    name: str
    num_bytes: int
    needed: str
    """Why it stays; empty where nothing asks for it any more."""


def list_with_references(service: Service, source: Log) -> list[StoredBundle]:
    """By name. Raises LogError; OrderError where a record cannot be read, for it may name any of them."""
    shelved = BundleStore(service.bundles).bundles()  # before the records: what is put there meanwhile is not looked at
    read_control(source, table := _WholeTable(service.config.prefix, service.config.lines)).close()
    needed = _needed(service, table)
    return [StoredBundle(name, num_bytes, needed.get(name, _UNKNOWN)) for name, num_bytes in sorted(shelved.items())]


class _WholeTable(ControlTable):
    def _take(self, line: str, record: Record) -> None:
        try:
            super()._take(line, record)
        except (DecodeError, ValueError) as exc:
            raise DeployError(
                f"{record.topic}@{record.offset}: a record of type {record.type!r} under key {record.key!r} cannot be "
                f"read ({exc}) and may name any bundle, so that none is removed: find out who wrote it"
            ) from exc


def _needed(service: Service, table: ControlTable) -> dict[str, str]:
    """By folder; empty for what was deployed once and is asked for no more."""
    found = {deployment.folder: "" for deployment in table.deployments.values()}
    for folder, reason in (*_own(service), *_judging(table), *_counting(table)):
        found[folder] = reason
    return found


def _own(service: Service) -> Iterator[tuple[str, str]]:
    for recipe in service.recipes:
        if recipe.bundle.parent == service.bundles:
            yield recipe.bundle.name, f"recipe {recipe.name} names it"


def _judging(table: ControlTable) -> Iterator[tuple[str, str]]:
    """What living workers judge with, whatever is ordered: one that refused the newest goes on with what it had."""
    for at, word in table.workers.items():
        is_alive = word.append_ns > table.newest_ns - int(REPORTED_S * 1e9)
        for key, deployment in table.deployments.items() if is_alive else ():
            if _is_bundle_of(word.state, deployment, key == (at.line, word.state.live)):
                yield deployment.folder, f"{at.worker} judges with it on {at.line}"


def _is_bundle_of(state: WorkerState, deployment: Deployment, is_same_number: bool) -> bool:
    """By the digest where it is told: of two deployments with the same number the history holds the later one, and the
    other's bundle under other numbers only."""
    return deployment.digest == state.live_digest if state.live_digest else is_same_number


def _counting(table: ControlTable) -> Iterator[tuple[str, str]]:
    """The stronger reason later."""
    for (line, recipe), active in sorted(table.active.items()):
        for former in _way_back(table, line, active.live):
            yield former.folder, f"a roll-back of {recipe} on {line} returns to it"
    for (line, recipe), active in sorted(table.active.items()):
        yield active.trial.folder, f"on trial for {recipe} on {line}"
        yield active.live.folder, f"live for {recipe} on {line}"


def _way_back(table: ControlTable, line: str, live: Deployment) -> Iterator[Deployment]:
    """What one roll-back after the other makes of the live deployment, as far as the recipe's own bundle."""
    found, passed = live, set[int]()
    while found.folder and found.previous not in passed:
        passed.add(found.previous)
        found = table.deployments.get((line, found.previous), Deployment())
        yield found
