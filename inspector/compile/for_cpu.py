"""Turns those experts into INT8 that a CPU runs faster so, and that leave decisions as they are. Builds no engine.

All the others stay as exported: mixed forms are the rule. Experts are tried one after another, the dearest first, each
in the whole routed system beside those already taken.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import onnx
import onnxruntime as ort
from onnx import ModelProto

from inspector.benchmark.timing import Pace, interleaved
from inspector.bundle.schema import Expert
from inspector.compile.checking import check_graphs, standing
from inspector.compile.feeds import feeds
from inspector.compile.graph import read_graph, share_quantised
from inspector.compile.job import NO_PRODUCT, Form, Job, Made, RefusedError
from inspector.compile.omissions import OMISSIONS, Omission, fewest_flips
from inspector.compile.quantise import Feed, quantisable, quantise
from inspector.engines.engine import EngineError, EngineSettings
from inspector.engines.factory import check_installed, open_engine
from inspector.engines.forms import parts
from inspector.parity.report import ParityReport, passed

FASTER = 1.05
"""Times FP32's speed: below it, a difference is the machine's mood."""
PACE = Pace(min_rounds=40)


class Tried(NamedTuple):
    """A graph that is faster, and with which the line decides within the limit."""

    path: Path
    report: ParityReport
    made: Made


def compile_for_cpu(job: Job) -> Form:
    """Raises EngineError without the runtime, RefusedError where no graph is kept."""
    check_installed(EngineSettings(job.wish.engine))
    job.say("gate", f"decides on {len(job.parity.pieces)} pieces in FP32")
    report = check_graphs(job, {}, job.wish.engine)
    kept: dict[str, Path] = {}
    made = {"head": Made("head", None, "fp32", 0.0, why=NO_PRODUCT)}
    for expert in sorted(job.bundle.schema.experts, key=lambda expert: -expert.cost_ms):
        found = _tried(job, expert, kept, report)
        if isinstance(found, Tried):
            kept[expert.name], report, made[expert.name] = found
        else:
            made[expert.name] = Made(expert.name, None, "fp32", 0.0, why=found)
        job.say(expert.name, f"{made[expert.name].precision}: {made[expert.name].why}")
    graphs = tuple(made[part] for part, _ in parts(job.bundle.schema))
    if not kept:
        reasons = "".join(f"\n  {graph.part} {graph.why}" for graph in graphs)
        raise RefusedError(f"{job.wish.label}: no graph is worth it, and nothing is added:{reasons}")
    return Form(f"onnxruntime {ort.__version__}", (), (), graphs, report)


def _tried(job: Job, expert: Expert, kept: Mapping[str, Path], before: ParityReport) -> Tried | str:
    """The first omission by which no further decision flips, or that with the fewest flips; where none is to be had,
    why."""
    model = read_graph(job.bundle.path(expert.file))
    if not quantisable(model):
        return NO_PRODUCT
    trial = _Trial(job, expert, model, feeds(expert, job.calibration), kept)
    refusals: list[str] = []
    best = fewest_flips(trial.all(refusals), enough=len(before.flips))
    return best or refusals[0]


@dataclass(frozen=True, slots=True)
class _Trial:
    """One expert, beside those already taken."""

    job: Job
    expert: Expert
    model: ModelProto
    inputs: Sequence[Feed]
    kept: Mapping[str, Path]

    def all(self, refusals: list[str]) -> Iterator[Tried]:
        """One omission after another; what is refused says why, with the figures."""
        job, limit = self.job, self.job.wish.limit
        for omission in OMISSIONS:
            path, made = self._quantised(omission)
            try:
                ratio, speed = self._speed(path)
            except EngineError as exc:
                refusals.append(f"does not run so: {exc}")
                continue
            if ratio < FASTER:
                refusals.append(f"is no faster so: {speed}")
                return  # What is left out runs in FP32 beside it: that would bring less still.
            job.say(self.expert.name, f"decides on {len(job.parity.pieces)} pieces")
            report = check_graphs(job, {**self.kept, self.expert.name: path}, job.wish.engine)
            if passed(report, limit):
                yield Tried(path, report, made._replace(why=speed + omission.words))
            else:
                refusals.append(f"decides otherwise: {standing(report, limit)}; {speed}")

    def _quantised(self, omission: Omission) -> tuple[Path, Made]:
        started_s = time.monotonic()
        self.job.say(self.expert.name, "quantises" + omission.words)
        path = self.job.scratch / f"{self.expert.name}{omission.suffix}.onnx"
        model = quantise(self.model, self.inputs, "cpu", omission.of(quantisable(self.model)))
        onnx.save(model, path)
        return path, Made(self.expert.name, path, "int8", time.monotonic() - started_s, share_quantised(model))

    def _speed(self, path: Path) -> tuple[float, str]:
        """Of this graph in FP32's, as the line would run both: one piece, one thread."""
        settings = EngineSettings(self.job.wish.engine)
        exported = self.job.bundle.path(self.expert.file)
        engines = {name: open_engine(graph, settings) for name, graph in (("int8", path), ("fp32", exported))}
        times = interleaved({name: partial(engine.run, self.inputs[0]) for name, engine in engines.items()}, PACE)
        int8_ms, fp32_ms = times["int8"].median_cpu_ms, times["fp32"].median_cpu_ms
        ratio = fp32_ms / int8_ms
        return ratio, f"{int8_ms:.3g} ms in INT8, {fp32_ms:.3g} ms in FP32 ({ratio:.2f} x)"
