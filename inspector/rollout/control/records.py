"""Reads and writes records of the control topics: active deployments, their history, and the status of workers.

Keys: `active/<recipe>` is the active deployment, `deployment/<number>` the history, `worker/<name>/<recipe>` the status
of a worker. A recipe of several lines has a record in the topic of each.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple

from google.protobuf.message import DecodeError, Message

from inspector.config.service import Service
from inspector.judging.active_models import DeploymentRef, DeploymentTarget
from inspector.recipe.recipe import Recipe
from inspector.recipe.recipes import ANY
from inspector.verdicts.words import enum_word
from protos.inspection.v1.control_pb2 import ActiveDeployment, Deployment, DeploymentMode, WorkerPhase, WorkerState
from streams.log import Log, LogStoppedError, Start, Tail
from streams.records import CONTROL_KIND, TYPE_PREFIX, Output, Record, Topics

log = logging.getLogger("inspector.deploy")

MAX_NUMBER = 10**9
MODES: dict[int, str] = {
    DeploymentMode.DEPLOYMENT_MODE_LIVE: "live",
    DeploymentMode.DEPLOYMENT_MODE_SHADOW: "shadow",
    DeploymentMode.DEPLOYMENT_MODE_CANARY: "canary",
}


def phase_word(phase: int) -> str:
    """A phase of a newer version is named by its number. A shadow reaches the phase LIVE, too, and decides nothing."""
    if phase == WorkerPhase.WORKER_PHASE_LIVE:
        return "running"
    if phase not in WorkerPhase.values():
        return f"phase {phase}"
    return enum_word(WorkerPhase, phase).lower()


class WorkerAt(NamedTuple):
    """Key of a worker's status of a recipe at a line."""

    line: str
    worker: str
    recipe: str


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """The last report of a worker, and when it was appended to the log."""

    state: WorkerState
    append_ns: int

    def is_about(self, ref: DeploymentRef) -> bool:
        return _matches(self.state.deployment, self.state.digest, ref)

    def is_serving(self, ref: DeploymentRef) -> bool:
        return _matches(self.state.live, self.state.live_digest, ref)


def _matches(number: int, digest: str, ref: DeploymentRef) -> bool:
    """Older workers report the number without a digest."""
    return number == ref.number and digest in (ref.digest, "")


class ControlTable:
    """The last record of every key, by line."""

    def __init__(self, prefix: str, lines: Sequence[str]) -> None:
        self._line_of = {Topics(prefix, line).of(CONTROL_KIND): line for line in lines}
        self.active: dict[DeploymentTarget, ActiveDeployment] = {}
        self.deployments: dict[tuple[str, int], Deployment] = {}
        self.workers: dict[WorkerAt, WorkerStatus] = {}
        self._last_ns: dict[str, int] = {}

    @property
    def newest_ns(self) -> int:
        """Append time of the last record, to tell the age of others by the log's clock. That clock may be set back: the
        last record of a topic counts, not the highest time."""
        return max(self._last_ns.values(), default=0)

    def take(self, records: Sequence[Record]) -> None:
        """Ignores a record that cannot be read."""
        for record in records:
            line = self._line_of.get(record.topic)
            if line is None:
                continue
            self._last_ns[line] = record.append_ns
            try:
                self._take(line, record)
            except (DecodeError, ValueError) as exc:
                log.warning("%s@%d: ignored a record of type %r with key %r (%s): find out who wrote it.",
                          record.topic, record.offset, record.type, record.key, exc)  # fmt: skip

    def _take(self, line: str, record: Record) -> None:
        kind, _, rest = record.key.decode().partition("/")
        match kind:
            case "active":
                self.active[DeploymentTarget(line, rest)] = ActiveDeployment.FromString(record.value)
            case "deployment":
                self.deployments[line, _number(rest)] = Deployment.FromString(record.value)
            case "worker":
                state = WorkerState.FromString(record.value)
                self.workers[WorkerAt(line, state.worker, state.recipe)] = WorkerStatus(state, record.append_ns)
            case _:
                raise ValueError("unknown key")

    def next_number(self) -> int:
        return max((number for _, number in self.deployments), default=0) + 1

    def statuses(self, target: DeploymentTarget) -> dict[str, WorkerStatus]:
        """By the worker's name."""
        return {at.worker: status for at, status in self.workers.items() if (at.line, at.recipe) == target}


def _number(text: str) -> int:
    """Raises ValueError, also for absurdly high numbers: the next deployment could not be numbered."""
    number = int(text)
    if not 0 < number <= MAX_NUMBER:
        raise ValueError(f"no deployment has the number {text[:20]}")
    return number


def read_control(source: Log, table: ControlTable, is_over: Callable[[], object] = lambda: False) -> Tail:
    """Reads the topics to their present end; returns a tail that continues from there. Waits through outages. Raises
    LogError; LogStoppedError when `is_over`."""
    with closing(source.control(Start())) as latest:
        goal = dict(latest.position())
    tail = source.control(Start(earliest=True))
    try:
        while any(tail.position().get(at, 0) < end for at, end in goal.items()):
            _check(is_over)
            table.take(tail.poll(0.2))
    except BaseException:
        tail.close()
        raise
    return tail


def _check(is_over: Callable[[], object]) -> None:
    if is_over():
        raise LogStoppedError("told to stop before the control topics were read to their end")


def targets_of(service: Service) -> dict[DeploymentTarget, Recipe]:
    """Every recipe at every line of the configuration that it applies to."""
    lines = service.config.lines
    return {DeploymentTarget(line, r.name): r for r in service.recipes for line in lines if r.line in (ANY, line)}


def active_output(topics: Topics, recipe: str, active: ActiveDeployment) -> Output:
    return _output(topics, f"active/{recipe}", active)


def deployment_output(topics: Topics, deployment: Deployment) -> Output:
    return _output(topics, f"deployment/{deployment.number}", deployment)


def worker_output(topics: Topics, state: WorkerState) -> Output:
    return _output(topics, f"worker/{state.worker}/{state.recipe}", state)


def _output(topics: Topics, key: str, message: Message) -> Output:
    value, kind = message.SerializeToString(), TYPE_PREFIX + message.DESCRIPTOR.name
    return Output(topics.of(CONTROL_KIND), 0, key.encode(), value, kind)
