"""Turns records of the control topics into what counts and what was, and decisions into records. Opens nothing.

Keys: `active/<recipe>` is the record that counts, `deployment/<number>` the history, `worker/<name>/<recipe>` how far a
worker is. A recipe of several lines has a record in the topic of each.
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
from protos.inspection.v1.control_pb2 import Active, Deployment, DeploymentMode, WorkerPhase, WorkerState
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
    """One that a newer worker tells is given as its number."""
    if phase not in WorkerPhase.values():
        return f"phase {phase}"
    return enum_word(WorkerPhase, phase).lower()


class WorkerAt(NamedTuple):
    """A worker's word on a recipe at a line."""

    line: str
    worker: str
    recipe: str


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """What a worker said last, and when the log took it."""

    state: WorkerState
    append_ns: int

    def is_about(self, of: DeploymentRef) -> bool:
        return _means(self.state.deployment, self.state.digest, of)

    def is_serving(self, of: DeploymentRef) -> bool:
        return _means(self.state.live, self.state.live_digest, of)


def _means(number: int, digest: str, of: DeploymentRef) -> bool:
    """Workers of before the digests tell the number alone."""
    return number == of.number and digest in (of.digest, "")


class ControlTable:
    """The last record of every key, by line."""

    def __init__(self, prefix: str, lines: Sequence[str]) -> None:
        self._line_of = {Topics(prefix, line).of(CONTROL_KIND): line for line in lines}
        self.active: dict[DeploymentTarget, Active] = {}
        self.deployments: dict[tuple[str, int], Deployment] = {}
        self.workers: dict[WorkerAt, WorkerStatus] = {}
        self._last_ns: dict[str, int] = {}

    @property
    def newest_ns(self) -> int:
        """When the log took the last record: its clock, for ages of others. That clock may be set back: of one topic
        the last record counts, not the highest time."""
        return max(self._last_ns.values(), default=0)

    def take(self, records: Sequence[Record]) -> None:
        """A record that cannot be read changes nothing."""
        for record in records:
            line = self._line_of.get(record.topic)
            if line is None:
                continue
            self._last_ns[line] = record.append_ns
            try:
                self._take(line, record)
            except (DecodeError, ValueError) as exc:
                log.warning("%s@%d: a record of type %r under key %r is not used (%s): find out who wrote it.",
                          record.topic, record.offset, record.type, record.key, exc)  # fmt: skip

    def _take(self, line: str, record: Record) -> None:
        kind, _, rest = record.key.decode().partition("/")
        match kind:
            case "active":
                self.active[DeploymentTarget(line, rest)] = Active.FromString(record.value)
            case "deployment":
                self.deployments[line, _number(rest)] = Deployment.FromString(record.value)
            case "worker":
                state = WorkerState.FromString(record.value)
                self.workers[WorkerAt(line, state.worker, state.recipe)] = WorkerStatus(state, record.append_ns)
            case _:
                raise ValueError("unknown key")

    def next_number(self) -> int:
        return max((number for _, number in self.deployments), default=0) + 1

    def words(self, place: DeploymentTarget) -> dict[str, WorkerStatus]:
        """What every worker said last of a recipe, by its name."""
        return {at.worker: word for at, word in self.workers.items() if (at.line, at.recipe) == place}


def _number(text: str) -> int:
    """Raises ValueError: behind a number that is absurd there would be no next one."""
    number = int(text)
    if not 0 < number <= MAX_NUMBER:
        raise ValueError(f"no deployment has the number {text[:20]}")
    return number


def read_control(source: Log, table: ControlTable, is_over: Callable[[], object] = lambda: False) -> Tail:
    """Brings the table up to what the topics hold now; returns the tail that goes on from there. Raises LogError;
    LogStoppedError once `is_over`: an outage is waited out here as well."""
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
        raise LogStoppedError("told to stop before all was read that is deployed")


def places_of(service: Service) -> dict[DeploymentTarget, Recipe]:
    """Every recipe at every line of the configuration that it holds for."""
    lines = service.config.lines
    return {DeploymentTarget(line, r.name): r for r in service.recipes for line in lines if r.line in (ANY, line)}


def active_output(topics: Topics, recipe: str, active: Active) -> Output:
    return _output(topics, f"active/{recipe}", active)


def deployment_output(topics: Topics, deployment: Deployment) -> Output:
    return _output(topics, f"deployment/{deployment.number}", deployment)


def worker_output(topics: Topics, state: WorkerState) -> Output:
    return _output(topics, f"worker/{state.worker}/{state.recipe}", state)


def _output(topics: Topics, key: str, message: Message) -> Output:
    value, kind = message.SerializeToString(), TYPE_PREFIX + message.DESCRIPTOR.name
    return Output(topics.of(CONTROL_KIND), 0, key.encode(), value, kind)
