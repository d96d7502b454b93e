"""Chooses the experts that run in INT8: with them the line decides as before. Builds no engine.

All the others stay as exported: mixed forms are the rule. Experts are tried one after another, the dearest first, each
in the whole routed system beside those already taken. The head weighs what they say: it is cheap, and eight bits of it
are decisions.

The gate is only as good as its pieces. On pieces that encoders were fitted on, scores are far from every limit and
hardly move: graphs that flipped none of 300 such pieces flipped 43 of 300 unseen ones.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import onnx
from onnx import ModelProto

from inspector.bundle.schema import Expert
from inspector.compile.feeds import feeds
from inspector.compile.float_layers import OMISSIONS, FloatLayerRule, fewest_flips
from inspector.compile.gate import check_graphs, standing
from inspector.compile.graph import read_graph, share_quantised
from inspector.compile.job import GraphArtifact, Job, RefusedError
from inspector.compile.quantise import Dialect, Feed, quantisable, quantise
from inspector.engines.engine import EngineName
from inspector.engines.variants import parts
from inspector.parity.report import ParityReport, passed

NO_PRODUCT = "holds no product that is worth eight bits"
UNJUDGED = "runs on none of the parity set's pieces: nothing would show what eight bits change"
FASTER = 1.1
"""Times FP32's speed: below it, a difference is the machine's mood. One graph had 1.03 and 1.20 within the hour."""


class Speed(NamedTuple):
    ratio: float
    """To FP32; 0 where it does not run."""
    words: str
    """With both figures, or why it does not run."""


@dataclass(frozen=True, slots=True)
class QuantisationTarget:
    """What an INT8 graph must be."""

    dialect: Dialect
    runtime: EngineName
    """That the gate runs it in."""
    speeds: Callable[[Path, Sequence[Path], Feed], Sequence[Speed]] | None = None
    """Of the graph in FP32, given first, and of several in INT8, in one run; None where it cannot be measured here."""


UNKNOWN = Speed(FASTER, "")


class Tried(NamedTuple):
    """A graph that is faster, and with which the line decides within the limit."""

    path: Path
    report: ParityReport
    made: GraphArtifact


def choose(job: Job, terms: QuantisationTarget) -> tuple[tuple[GraphArtifact, ...], ParityReport]:
    """Every graph of the bundle in its order, and what the gate counted of all together.

    Raises RefusedError where none is to be had.
    """
    _demand_unseen(job)
    job.say("gate", f"decides on {len(job.parity.pieces)} pieces in FP32")
    report = check_graphs(job, {}, terms.runtime)
    kept: dict[str, Path] = {}
    made = {"head": GraphArtifact("head", None, "fp32", 0.0, why=NO_PRODUCT)}
    for expert in sorted(job.bundle.schema.experts, key=lambda expert: -expert.cost_ms):
        found = _tried(_Trial(job, terms, expert, kept), report)
        if isinstance(found, Tried):
            kept[expert.name], report, made[expert.name] = found
        else:
            made[expert.name] = GraphArtifact(expert.name, None, "fp32", 0.0, why=found)
        job.say(expert.name, f"{made[expert.name].precision}: {made[expert.name].why}")
    graphs = tuple(made[part] for part, _ in parts(job.bundle.schema))
    if not kept:
        reasons = "".join(f"\n  {graph.part} {graph.why}" for graph in graphs)
        raise RefusedError(f"{job.wish.label}: no graph is worth it, and nothing is added:{reasons}")
    return graphs, report


def _demand_unseen(job: Job) -> None:
    certificate = job.bundle.schema.certificate
    if certificate is not None and not certificate.of_these_encoders:
        raise RefusedError(
            f"{job.wish.label}: the encoders of {job.bundle.schema.name} were fitted on its calibration pieces too (so "
            "says its certificate), and what eight bits change cannot be seen on these; nothing is added. Train it "
            'with refit = "never" in the configuration, or let it run in FP32'
        )


@dataclass(frozen=True, slots=True)
class _Trial:
    """One expert, beside those already taken."""

    job: Job
    terms: QuantisationTarget
    expert: Expert
    kept: Mapping[str, Path]


def _tried(trial: _Trial, before: ParityReport) -> Tried | str:
    """The fastest graph by which no further decision flips, or that with the fewest flips; where none is to be had,
    why."""
    model = read_graph(trial.job.bundle.path(trial.expert.file))
    products = quantisable(model)
    if not products:
        return NO_PRODUCT
    if not any(trial.expert.name in piece.expected.experts for piece in trial.job.parity.pieces):
        return UNJUDGED
    inputs = feeds(trial.expert, trial.job.calibration)
    omissions = [omission for omission in OMISSIONS if set(products) > omission.of(products)]
    refusals: list[str] = []
    passing = _passing(trial, _candidates(trial, model, inputs, omissions), refusals)
    return fewest_flips(passing, enough=len(before.flips)) or refusals[0]


class _Candidate(NamedTuple):
    path: Path
    made: GraphArtifact
    speed: Speed


def _candidates(
    trial: _Trial, model: ModelProto, inputs: Sequence[Feed], omissions: Sequence[FloatLayerRule]
) -> Iterable[_Candidate]:
    """The fastest first; where no speed is known, one after another, as they are asked for."""
    quantised = (_quantised(trial, model, inputs, omission) for omission in omissions)
    if trial.terms.speeds is None:
        return (_Candidate(path, made, UNKNOWN) for path, made in quantised)
    found = list(quantised)
    exported = trial.job.bundle.path(trial.expert.file)
    speeds = trial.terms.speeds(exported, [path for path, _ in found], inputs[0])
    timed = [_Candidate(path, made, speed) for (path, made), speed in zip(found, speeds, strict=True)]
    return sorted(timed, key=lambda candidate: -candidate.speed.ratio)


def _passing(trial: _Trial, candidates: Iterable[_Candidate], refusals: list[str]) -> Iterator[Tried]:
    """One after another; what is refused says why, with the figures."""
    job, name = trial.job, trial.expert.name
    for path, made, speed in candidates:
        if speed.ratio < FASTER:
            refusals.append(f"is no faster so: {speed.words}" if speed.ratio else speed.words)
            continue
        job.say(name, f"decides on {len(job.parity.pieces)} pieces")
        report = check_graphs(job, {**trial.kept, name: path}, trial.terms.runtime)
        if passed(report, job.wish.limit):
            yield Tried(path, report, made._replace(why=_joined(speed.words, made.why)))
        else:
            refusals.append(_joined(f"decides otherwise: {standing(report, job.wish.limit)}", speed.words))


def _joined(*words: str) -> str:
    return "; ".join(part.strip() for part in words if part)


def _quantised(
    trial: _Trial, model: ModelProto, inputs: Sequence[Feed], omission: FloatLayerRule
) -> tuple[Path, GraphArtifact]:
    started_s, name = time.monotonic(), trial.expert.name
    trial.job.say(name, "quantises" + omission.words)
    path = trial.job.scratch / f"{name}.int8{omission.suffix}.onnx"
    found = quantise(model, inputs, trial.terms.dialect, omission.of(quantisable(model)))
    onnx.save(found, path)
    return path, GraphArtifact(
        name, path, "int8", time.monotonic() - started_s, share_quantised(found), why=omission.words
    )
