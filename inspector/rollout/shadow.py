"""Runs shadow models next to the live ones and counts different decisions. A failure here costs no verdict."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import NamedTuple
from weakref import WeakSet

from inspector.judging.active_models import DeployedModel, DeploymentTarget
from inspector.judging.routed_judge import Group, RoutedJudge
from inspector.rollout.metrics import DeployMetrics
from inspector.verdicts.judge import ShadowPair
from protos.inspection.v1.verdict_pb2 import Verdict
from streams.observation import Observation

log = logging.getLogger("inspector.deploy")

BEHIND_S = 1.0
"""No shadow runs while pieces wait longer than this: the line needs the time."""
FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""Errors that end a trial. In a live model they are defects that must show."""


@dataclass(slots=True)
class Counts:
    equal: int = 0
    different: int = 0


class Comparison:
    """Decisions of shadows against the live ones, by target and deployment, since the start of this process."""

    def __init__(self, metrics: DeployMetrics) -> None:
        self._metrics = metrics
        self._counts: dict[tuple[DeploymentTarget, int], Counts] = {}

    def add(self, live: Verdict, shadow: Verdict) -> None:
        target = DeploymentTarget(shadow.inspection.line, shadow.recipe)
        counts = self._counts.setdefault((target, shadow.deployment), Counts())
        if live.decision == shadow.decision:
            counts.equal += 1
        else:
            counts.different += 1
        self._metrics.shadow.labels(*target, "equal" if live.decision == shadow.decision else "different").inc()

    def of(self, target: DeploymentTarget, number: int) -> Counts:
        return self._counts.get((target, number), Counts())


class Fault(NamedTuple):
    """The error of a shadow."""

    placed: DeployedModel
    message: str


class Shadow:
    """Implements `ShadowEvaluator` for a worker; the following thread takes errors from `fault`."""

    def __init__(self, judge: RoutedJudge, comparison: Comparison, wall_ns: Callable[[], int] = time.time_ns) -> None:
        self._judge, self._comparison, self._wall_ns = judge.with_own_budget(), comparison, wall_ns
        self._faults: SimpleQueue[Fault] = SimpleQueue()
        self._failed: WeakSet[DeployedModel] = WeakSet()
        """Weak, so that a replaced model is freed, by another thread."""

    def judge(self, observations: Sequence[Observation], verdicts: Sequence[Verdict]) -> list[ShadowPair]:
        if not any(slot.shadow for slot in self._judge.slots.values()) or self._is_behind(observations):
            return []
        compared: list[ShadowPair] = []
        for placed, group in self._judge.shadows(observations, verdicts).items():
            shadows = {} if placed in self._failed else self._judged(placed, group, observations)
            compared += [ShadowPair(verdicts[index], shadow) for index, shadow in shadows.items()]
        return compared

    def _judged(self, placed: DeployedModel, group: Group, observations: Sequence[Observation]) -> dict[int, Verdict]:
        try:
            return self._judge.shadow(placed, group, observations)
        except FAULTS as exc:
            log.exception(
                "Shadow %d failed and is ended; the line is not affected. Report the trace below.", placed.number
            )
            self._failed.add(placed)
            self._faults.put(Fault(placed, f"{type(exc).__name__}: {exc}"))
            return {}

    def published(self, compared: Sequence[ShadowPair]) -> None:
        for pair in compared:
            self._comparison.add(pair.live, pair.shadow)

    def fault(self) -> Fault | None:
        """The next error that was not returned yet."""
        try:
            return self._faults.get_nowait()
        except Empty:
            return None

    def _is_behind(self, observations: Sequence[Observation]) -> bool:
        return self._wall_ns() - min(piece.arrival_ns for piece in observations) > BEHIND_S * 1e9
