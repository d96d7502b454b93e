"""Measures what routing really saves: thread CPU of a test split, run by all experts and as routed, batch by batch.

Everything runs on the calling thread. The two take turns on the same pieces, so that drift of the machine cancels, and
of several rounds the cheapest counts. What could be saved is measured apart, call by call at the same batch sizes: what
a piece costs depends on how many are run together, so that shares of a full batch's cost would be no ideal.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from fusion.policy import PartialResult
from inspector.bundle.load import load
from inspector.bundle.schema import Expert, Policy
from inspector.dataset.manifest import read_manifest
from inspector.engines.engine import Array, Engine, EngineSettings
from inspector.engines.factory import open_engine
from inspector.evaluation.observations import observe
from inspector.evaluation.run import with_policy
from inspector.inference.batching import MAX_BATCH
from inspector.inference.examination import Examination
from inspector.inference.model import Model, open_model
from inspector.judging.routing import route
from inspector.recipe.strict_recipe import strict_recipe
from streams.observation import Observation

ROUNDS = 3
Result = TypeVar("Result")


class Call(NamedTuple):
    """One kind of run of a graph."""

    file: str
    batch: int


class Ledger:
    """CPU time of the graphs since the last `clear`, and one input of each kind of call."""

    def __init__(self) -> None:
        self.spent_s: dict[str, float] = defaultdict(float)
        self.calls: Counter[Call] = Counter()
        self.samples: dict[Call, tuple[Engine, Mapping[str, Array]]] = {}

    def clear(self) -> None:
        self.spent_s.clear()
        self.calls.clear()

    def alone_s(self, call: Call) -> float:
        """Thread CPU of such a call by itself."""
        engine, inputs = self.samples[call]
        return min(_timed(lambda: engine.run(inputs))[1] for _ in range(ROUNDS))


class TimedEngine:
    """An engine that enters its runs into a ledger."""

    def __init__(self, engine: Engine, file: str, ledger: Ledger) -> None:
        self._engine, self._file, self._ledger = engine, file, ledger
        self.inputs, self.outputs = engine.inputs, engine.outputs

    def run(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        outputs, spent_s = _timed(lambda: self._engine.run(inputs))
        call = Call(self._file, len(next(iter(inputs.values()))))
        self._ledger.spent_s[self._file] += spent_s
        self._ledger.calls[call] += 1
        self._ledger.samples.setdefault(call, (self._engine, inputs))
        return outputs


class TimedExamination(Examination):
    """Adds up the thread CPU of looks, preparation included."""

    looking_s = 0.0

    def run_expert(self, expert: Expert, rows: Sequence[int]) -> None:
        started_s = time.thread_time()
        super().run_expert(expert, rows)
        self.looking_s += time.thread_time() - started_s


class Turn(NamedTuple):
    """Thread CPU of one batch under one policy."""

    experts_s: float
    prepare_s: float
    """Resizing, cutting, stacking."""
    whole_s: float
    """All of examination and routing."""
    calls: Counter[Call]
    """Of experts."""


@dataclass(frozen=True)
class Measured:
    """Sums over a test split, in seconds of thread CPU."""

    pieces: int
    dense_s: float
    routed_s: float
    ideal_s: float
    """Separately measured cost of the calls that were left out or made smaller: the possible saving."""
    router_s: float
    decode_s: float
    dense_prepare_s: float
    dense_whole_s: float
    routed_whole_s: float


def measure(bundle: Path, manifest: Path) -> Measured:
    """The test split in batches of 16, each system ROUNDS times in turns."""
    ledger = Ledger()
    model = open_model(
        load(bundle),
        EngineSettings("onnx", threads=1),
        lambda path, settings: TimedEngine(open_engine(path, settings), path.name, ledger),
    )
    rows = [row for row in read_manifest(manifest) if row.split == "test" and row.label != "unknown"]
    systems = (with_policy(model, Policy(mode="dense")), model)
    turns: list[list[list[Turn]]] = []
    decode_s = 0.0
    for start in range(0, len(rows), MAX_BATCH):
        pieces, cost_s = _timed(lambda: [observe(manifest.parent, row) for row in rows[start : start + MAX_BATCH]])  # noqa: B023
        decode_s += cost_s
        rounds = [[_turn(system, pieces, ledger) for system in systems] for _ in range(ROUNDS)]
        turns.append([[turns_of_round[index] for turns_of_round in rounds] for index in range(len(systems))])
    return _sum(model, turns, ledger, decode_s, len(rows))


def _turn(model: Model, pieces: Sequence[Observation], ledger: Ledger) -> Turn:
    ledger.clear()
    examination = TimedExamination(model, pieces, MAX_BATCH)
    recipe = strict_recipe(model.schema, model.bundle.folder)
    _, whole_s = _timed(lambda: route(examination, [recipe] * len(pieces)))
    files = {expert.file for expert in model.schema.experts}
    experts_s = sum(ledger.spent_s[file] for file in files)
    calls = Counter({call: times for call, times in ledger.calls.items() if call.file in files})
    return Turn(experts_s, examination.looking_s - experts_s, whole_s, calls)


def _sum(
    model: Model, turns: Sequence[Sequence[Sequence[Turn]]], ledger: Ledger, decode_s: float, pieces: int
) -> Measured:
    def least(system: int, of: Callable[[Turn], float]) -> float:
        return sum(min(of(turn) for turn in batch[system]) for batch in turns)

    spared = Counter[Call]()
    for batch in turns:
        spared.update(batch[0][0].calls)
        spared.subtract(batch[1][0].calls)
    return Measured(
        pieces=pieces,
        dense_s=least(0, lambda turn: turn.experts_s),
        routed_s=least(1, lambda turn: turn.experts_s),
        ideal_s=sum(times * ledger.alone_s(call) for call, times in spared.items() if times),
        router_s=_router_s(model, pieces),
        decode_s=decode_s,
        dense_prepare_s=least(0, lambda turn: turn.prepare_s),
        dense_whole_s=least(0, lambda turn: turn.whole_s),
        routed_whole_s=least(1, lambda turn: turn.whole_s),
    )


def _router_s(model: Model, pieces: int) -> float:
    """Time to choose experts from the first logits, in batches of 16; it does not depend on the values."""
    schema = model.schema
    logits = np.random.default_rng(0).normal(0, 3, (MAX_BATCH, len(schema.experts))).tolist()
    present = frozenset(modality.name for modality in schema.modalities)
    names = [expert.name for expert in schema.experts]
    partial_results = [
        PartialResult(present, dict(zip(names, row, strict=True)), row[0], fails=False) for row in logits
    ]
    batches = -(-pieces // MAX_BATCH)

    def work() -> None:
        for _ in range(batches):
            model.routes.next_experts(partial_results)

    return min(_timed(work)[1] for _ in range(ROUNDS))


def _timed(work: Callable[[], Result]) -> tuple[Result, float]:
    started_s = time.thread_time()
    result = work()
    return result, time.thread_time() - started_s
