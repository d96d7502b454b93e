"""Measures what routing really saves: thread CPU of a test split, run by all experts and as routed, batch by batch.

Everything runs on the calling thread. The two take turns on the same pieces, so that drift of the machine cancels, and
of several rounds the cheapest counts.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from fusion.policy import Glance, further
from inspector.bundle.load import load
from inspector.bundle.schema import Expert, Policy
from inspector.engines.engine import Array, Engine, EngineSettings
from inspector.engines.factory import open_engine
from inspector.evaluation.examine import MAX_BATCH, demanding_recipe, with_policy
from inspector.evaluation.observations import observe
from inspector.examination import Examination
from inspector.manifest import read_manifest
from inspector.model import Model, open_model
from inspector.routing import route
from streams.observation import Observation

ROUNDS = 3
Result = TypeVar("Result")


class TimedEngine:
    """An engine that adds up the thread CPU of its runs."""

    def __init__(self, engine: Engine, name: str, spent_s: dict[str, float]) -> None:
        self._engine, self._name, self._spent_s = engine, name, spent_s
        self.inputs, self.outputs = engine.inputs, engine.outputs

    def run(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        started_s = time.thread_time()
        outputs = self._engine.run(inputs)
        self._spent_s[self._name] += time.thread_time() - started_s
        return outputs


class TimedExamination(Examination):
    """Adds up the thread CPU of looks, preparation included."""

    looking_s = 0.0

    def look(self, expert: Expert, rows: Sequence[int]) -> None:
        started_s = time.thread_time()
        super().look(expert, rows)
        self.looking_s += time.thread_time() - started_s


class Turn(NamedTuple):
    """Thread CPU of one batch under one policy."""

    experts_s: float
    prepare_s: float
    """Resizing, cutting, stacking."""
    whole_s: float
    """All of examination and routing."""
    ran: tuple[frozenset[str], ...]


@dataclass(frozen=True)
class Measured:
    """Sums over a test split, in seconds of thread CPU."""

    pieces: int
    dense_s: float
    routed_s: float
    chosen_s: float
    """What the experts that were chosen cost in the dense run, per piece: the ideal."""
    router_s: float
    decode_s: float
    dense_prepare_s: float
    dense_whole_s: float
    routed_whole_s: float


def measure(bundle: Path, manifest: Path) -> Measured:
    """The test split in batches of 16, each system ROUNDS times in turns."""
    spent_s: dict[str, float] = defaultdict(float)
    model = open_model(
        load(bundle),
        EngineSettings("onnx", threads=1),
        lambda path, settings: TimedEngine(open_engine(path, settings), path.name, spent_s),
    )
    rows = [row for row in read_manifest(manifest) if row.split == "test" and row.label != "unknown"]
    systems = (with_policy(model, Policy(mode="dense")), model)
    turns: list[list[list[Turn]]] = []
    costs_s: dict[str, float] = defaultdict(float)
    decode_s = 0.0
    for start in range(0, len(rows), MAX_BATCH):
        pieces, cost_s = _timed(lambda: [observe(manifest.parent, row) for row in rows[start : start + MAX_BATCH]])  # noqa: B023
        decode_s += cost_s
        rounds = [[_turn(system, pieces, spent_s, costs_s) for system in systems] for _ in range(ROUNDS)]
        turns.append([[own[index] for own in rounds] for index in range(len(systems))])
    return _sum(model, turns, costs_s, decode_s, len(rows))


def _turn(model: Model, pieces: Sequence[Observation], spent_s: dict[str, float], costs_s: dict[str, float]) -> Turn:
    spent_s.clear()
    examination = TimedExamination(model, pieces, MAX_BATCH)
    recipe = demanding_recipe(model)
    _, whole_s = _timed(lambda: route(examination, [recipe] * len(pieces)))
    files = {expert.file: expert.name for expert in model.schema.experts}
    experts_s = sum(spent_s[file] for file in files)
    if model.schema.policy.mode == "dense":
        for file, name in files.items():
            costs_s[name] += spent_s[file]
    ran = tuple(examination.ran(row) for row in range(len(pieces)))
    return Turn(experts_s, examination.looking_s - experts_s, whole_s, ran)


def _sum(
    model: Model, turns: Sequence[Sequence[Sequence[Turn]]], costs_s: Mapping[str, float], decode_s: float, pieces: int
) -> Measured:
    def least(system: int, of: Callable[[Turn], float]) -> float:
        return sum(min(of(turn) for turn in batch[system]) for batch in turns)

    dense_s = least(0, lambda turn: turn.experts_s)
    chosen = [names for batch in turns for names in batch[1][0].ran]
    able = [names for batch in turns for names in batch[0][0].ran]
    share = {name: cost_s / sum(costs_s.values()) for name, cost_s in costs_s.items()}
    runs = {name: max(sum(name in names for names in able), 1) for name in share}
    return Measured(
        pieces=pieces,
        dense_s=dense_s,
        routed_s=least(1, lambda turn: turn.experts_s),
        chosen_s=dense_s * sum(share[name] / runs[name] for names in chosen for name in names),
        router_s=_router_s(model, pieces),
        decode_s=decode_s,
        dense_prepare_s=least(0, lambda turn: turn.prepare_s),
        dense_whole_s=least(0, lambda turn: turn.whole_s),
        routed_whole_s=least(1, lambda turn: turn.whole_s),
    )


def _router_s(model: Model, pieces: int) -> float:
    """From what the first experts said to what runs, in batches of 16; what it says does not change what it costs."""
    schema = model.schema
    logits = np.random.default_rng(0).normal(0, 3, (MAX_BATCH, len(schema.experts))).tolist()
    present = frozenset(modality.name for modality in schema.modalities)
    names = [expert.name for expert in schema.experts]
    glances = [Glance(present, dict(zip(names, own, strict=True)), own[0], fails=False) for own in logits]
    batches = -(-pieces // MAX_BATCH)

    def work() -> None:
        for _ in range(batches):
            further(schema.policy, schema.experts, glances)

    return min(_timed(work)[1] for _ in range(ROUNDS))


def _timed(work: Callable[[], Result]) -> tuple[Result, float]:
    started_s = time.thread_time()
    result = work()
    return result, time.thread_time() - started_s
