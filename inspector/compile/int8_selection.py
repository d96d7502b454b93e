"""Chooses the experts to run in INT8 so that the line's decisions stay within the limit of flips.

All the others stay as exported. Experts are tried one after another, the most expensive first, each
in the whole routed system together with those already chosen. The head is never quantised: it is cheap, and its
error would change decisions directly.

The gate is only as good as its pieces. On pieces that encoders were fitted on, scores are far from every limit and
hardly move: graphs that flipped none of 300 such pieces flipped 43 of 300 unseen ones.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import onnx
from onnx import ModelProto

from inspector.bundle.schema import Expert
from inspector.compile.feeds import feeds
from inspector.compile.float_layers import FLOAT_LAYER_RULES, FloatLayerRule, fewest_flips
from inspector.compile.gate import check_graphs, flip_summary
from inspector.compile.graph import read_graph, share_quantised
from inspector.compile.job import GraphArtifact, Job, RefusedError
from inspector.compile.quantise import Dialect, Feed, quantisable, quantise
from inspector.engines.engine import EngineName
from inspector.engines.factory import open_engine
from inspector.engines.variants import parts
from inspector.framing.framer import framers
from inspector.inference.model import Opener
from inspector.parity.report import ParityReport, passed

NO_PRODUCT = "holds no product that is worth eight bits"
UNJUDGED = "runs on none of the parity set's pieces: nothing would show the effect of INT8"
FASTER = 1.1
"""Times FP32's speed: below it, a difference is the machine's mood. One graph had 1.03 and 1.20 within the hour."""


class Speed(NamedTuple):
    ratio: float
    """To FP32; 0 where it does not run."""
    description: str
    """With both figures, or why it does not run."""


@dataclass(frozen=True, slots=True)
class QuantisationTarget:
    """Requirements of an INT8 graph."""

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
    artifact: GraphArtifact


def choose(job: Job, target: QuantisationTarget) -> tuple[tuple[GraphArtifact, ...], ParityReport]:
    """Every graph of the bundle in its order, and the gate's report on all together.

    Raises RefusedError where none passes.
    """
    _require_held_out_pieces(job)
    job.say("gate", f"decides on {len(job.parity.pieces)} pieces in FP32")
    opener = _exported_once(job)
    report = check_graphs(job, {}, target.runtime, opener)
    kept: dict[str, Path] = {}
    artifacts = {"head": GraphArtifact("head", None, "fp32", 0.0, why=NO_PRODUCT)}
    for expert in sorted(job.bundle.schema.experts, key=lambda expert: -expert.cost_ms):
        candidate = _tried(_Trial(job, target, expert, kept, opener), report)
        if isinstance(candidate, Tried):
            kept[expert.name], report, artifacts[expert.name] = candidate
        else:
            artifacts[expert.name] = GraphArtifact(expert.name, None, "fp32", 0.0, why=candidate)
        job.say(expert.name, f"{artifacts[expert.name].precision}: {artifacts[expert.name].why}")
    graphs = tuple(artifacts[part] for part, _ in parts(job.bundle.schema))
    if not kept:
        reasons = "".join(f"\n  {graph.part} {graph.why}" for graph in graphs)
        raise RefusedError(f"{job.wish.label}: no graph is worth it, and nothing is added:{reasons}")
    return graphs, report


def _require_held_out_pieces(job: Job) -> None:
    certificate = job.bundle.schema.certificate
    if certificate is not None and not certificate.of_these_encoders:
        raise RefusedError(
            f"{job.wish.label}: the encoders of {job.bundle.schema.name} were fitted on its calibration pieces too "
            "(see its certificate), so these pieces cannot show the effect of INT8; nothing is added. Train it "
            'with refit = "never" in the configuration, or let it run in FP32'
        )


@dataclass(frozen=True, slots=True)
class _Trial:
    """One expert, together with those already chosen."""

    job: Job
    target: QuantisationTarget
    expert: Expert
    kept: Mapping[str, Path]
    opener: Opener


def _exported_once(job: Job) -> Opener:
    """Opens the bundle's own graphs once for all trials, each of which runs most of them."""
    own, keep = {job.bundle.path(file) for _, file in parts(job.bundle.schema)}, cache(open_engine)
    return lambda path, settings: (keep if path in own else open_engine)(path, settings)


def _tried(trial: _Trial, before: ParityReport) -> Tried | str:
    """The fastest graph by which no further decision flips, or that with the fewest flips; where there is none,
    the reason."""
    model = read_graph(trial.job.bundle.path(trial.expert.file))
    products = quantisable(model)
    if not products:
        return NO_PRODUCT
    if not any(trial.expert.name in piece.expected.experts for piece in trial.job.parity.pieces):
        return UNJUDGED
    framer = framers(trial.job.bundle.schema.modalities).get(trial.expert.modality)
    inputs = feeds(trial.expert, trial.job.calibration, framer)
    rules = [rule for rule in FLOAT_LAYER_RULES if set(products) > rule.of(products)]
    refusals: list[str] = []
    passing = _passing(trial, _candidates(trial, model, inputs, rules), refusals)
    return fewest_flips(passing, enough=len(before.flips)) or refusals[0]


class _Candidate(NamedTuple):
    path: Path
    artifact: GraphArtifact
    speed: Speed


def _candidates(
    trial: _Trial, model: ModelProto, inputs: Sequence[Feed], rules: Sequence[FloatLayerRule]
) -> Iterable[_Candidate]:
    """The fastest first; where no speed is known, one after another, as they are asked for."""
    quantised = (_quantised(trial, model, inputs, rule) for rule in rules)
    if trial.target.speeds is None:
        return (_Candidate(path, artifact, UNKNOWN) for path, artifact in quantised)
    graphs = list(quantised)
    exported = trial.job.bundle.path(trial.expert.file)
    speeds = trial.target.speeds(exported, [path for path, _ in graphs], inputs[0])
    timed = [_Candidate(path, artifact, speed) for (path, artifact), speed in zip(graphs, speeds, strict=True)]
    return sorted(timed, key=lambda candidate: -candidate.speed.ratio)


def _passing(trial: _Trial, candidates: Iterable[_Candidate], refusals: list[str]) -> Iterator[Tried]:
    """One after another; a refused graph gets the reason with its figures."""
    job, name = trial.job, trial.expert.name
    for path, artifact, speed in candidates:
        if speed.ratio < FASTER:
            refusals.append(f"is no faster in INT8: {speed.description}" if speed.ratio else speed.description)
            continue
        job.say(name, f"decides on {len(job.parity.pieces)} pieces")
        report = check_graphs(job, {**trial.kept, name: path}, trial.target.runtime, trial.opener)
        if passed(report, job.wish.limit):
            yield Tried(path, report, artifact._replace(why=_joined(speed.description, artifact.why)))
        else:
            refusals.append(_joined(f"decides otherwise: {flip_summary(report, job.wish.limit)}", speed.description))


def _joined(*parts: str) -> str:
    return "; ".join(part.strip() for part in parts if part)


def _quantised(
    trial: _Trial, model: ModelProto, inputs: Sequence[Feed], rule: FloatLayerRule
) -> tuple[Path, GraphArtifact]:
    started_s, name = time.monotonic(), trial.expert.name
    trial.job.say(name, "quantises" + rule.description)
    path = trial.job.scratch / f"{name}.int8{rule.suffix}.onnx"
    quantised = quantise(model, inputs, trial.target.dialect, rule.of(quantisable(model)))
    onnx.save(quantised, path)
    return path, GraphArtifact(
        name, path, "int8", time.monotonic() - started_s, share_quantised(quantised), why=rule.description
    )
