"""Turns a bundle's graphs into TensorRT engines. Needs a GPU only where the distribution does.

The very graphs that TensorRT is handed have passed the parity gate in ONNX Runtime before.
"""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import onnx
from onnx import ModelProto

from inspector.bundle.schema import Precision
from inspector.compile.checking import check_graphs, standing
from inspector.compile.convs import as_convolutions
from inspector.compile.feeds import feeds
from inspector.compile.graph import kinds, leading_to, read_graph, share_quantised
from inspector.compile.half import staying_full, to_half
from inspector.compile.job import NO_PRODUCT, CompileError, Form, Job, Made, RefusedError
from inspector.compile.omissions import OMISSIONS, Omission, fewest_flips
from inspector.compile.quantise import quantisable, quantise
from inspector.engines.forms import parts
from inspector.engines.tensorrt_build import BuildError, Compiler, build, find_compiler
from inspector.parity.report import ParityReport, passed, words

TURING = "7.5"
"""TensorRT for RTX has no FP32 matrix products for it, but convolutions."""


class Ready(NamedTuple):
    """A graph that TensorRT may be handed."""

    path: Path
    precision: Precision
    seconds: float
    quantised: float | None = None
    why: str = ""


class Trial(NamedTuple):
    graphs: Mapping[str, Ready]
    """By part."""
    report: ParityReport


def compile_for_gpu(job: Job) -> Form:
    """Raises EngineError without TensorRT, RefusedError by the gate, CompileError for a graph that does not build."""
    compiler = find_compiler(job.wish.targets)
    omissions = OMISSIONS if job.wish.precision == "int8" else OMISSIONS[:1]
    graphs, report = _checked(job, (_trial(job, compiler, omission) for omission in omissions))
    made = tuple(_built(job, part, ready, compiler) for part, ready in graphs.items())
    return Form(compiler.name, compiler.targets, job.wish.batches, made, report)


def _checked(job: Job, trials: Iterator[Trial]) -> Trial:
    best, limit = fewest_flips(trials, enough=0), job.wish.limit
    if best is None or not passed(best.report, limit):
        raise RefusedError("\n".join(words(best.report, limit)) if best else "nothing was tried")
    job.say("gate", standing(best.report, limit))
    return best


def _trial(job: Job, compiler: Compiler, omission: Omission) -> Trial:
    graphs = {part: _ready(job, part, compiler, omission) for part, _ in parts(job.bundle.schema)}
    job.say("gate", f"decides on {len(job.parity.pieces)} pieces")
    return Trial(graphs, check_graphs(job, {part: ready.path for part, ready in graphs.items()}, "onnx"))


def _ready(job: Job, part: str, compiler: Compiler, omission: Omission) -> Ready:
    started_s = time.monotonic()
    path = job.scratch / f"{part}{omission.suffix}.onnx"
    model = read_graph(job.bundle.path(dict(parts(job.bundle.schema))[part]))
    precision, share, why = job.wish.precision, None, ""
    if precision == "int8":
        job.say(part, "quantises" + omission.words)
        eighth = _in_int8(job, part, model, omission)
        if eighth is None:
            precision, why = "fp32", NO_PRODUCT
        else:
            model, share = eighth, share_quantised(eighth)
    onnx.save(for_tensorrt(model, precision, compiler.targets, is_head=part == "head"), path)
    return Ready(path, precision, time.monotonic() - started_s, share, why)


def _in_int8(job: Job, part: str, model: ModelProto, omission: Omission) -> ModelProto | None:
    """The head weighs what experts say: it is cheap, and eight bits of it are decisions."""
    expert = next((expert for expert in job.bundle.schema.experts if expert.name == part), None)
    products = quantisable(model)
    if expert is None or not products:
        return None
    return quantise(model, feeds(expert, job.calibration), "tensorrt", omission.of(products))


def for_tensorrt(model: ModelProto, precision: Precision, targets: tuple[str, ...], *, is_head: bool) -> ModelProto:
    """The graph that TensorRT is handed; INT8 is in it already."""
    if TURING in targets:
        full = _full(model, is_head=is_head) if precision == "fp16" else set(kinds(model))
        model = as_convolutions(model, full)
    return to_half(model, _full(model, is_head=is_head)) if precision == "fp16" else model


def _full(model: ModelProto, *, is_head: bool) -> set[str]:
    return staying_full(model, leading_to(model.graph, "gate") if is_head else set())


def _built(job: Job, part: str, ready: Ready, compiler: Compiler) -> Made:
    job.say(part, "builds")
    started_s = time.monotonic()
    try:
        engine = build(ready.path.read_bytes(), kinds(read_graph(ready.path)), job.wish.batches, compiler)
    except BuildError as exc:
        asked = f"{job.wish.label} for {', '.join(compiler.targets)}"
        raise CompileError(f"{part}: {compiler.name} does not build it in {asked}: {exc}") from exc
    path = job.scratch / f"{part}.engine"
    path.write_bytes(engine)
    seconds = ready.seconds + time.monotonic() - started_s
    job.say(part, f"built in {seconds:.1f} s")
    return Made(part, path, ready.precision, seconds, ready.quantised, ready.why)
