"""Turns a bundle's graphs into TensorRT engines. Needs a GPU only where the distribution does.

The very graphs that TensorRT is handed have passed the parity gate in ONNX Runtime before.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import onnx
from onnx import ModelProto

from inspector.bundle.schema import Precision
from inspector.compile.conv1x1 import as_convolutions
from inspector.compile.fp16 import staying_full, to_half
from inspector.compile.gate import check_graphs, flip_summary
from inspector.compile.graph import kinds, leading_to, read_graph
from inspector.compile.int8_selection import QuantisationTarget, choose
from inspector.compile.job import CompiledVariant, CompileError, GraphArtifact, Job, RefusedError
from inspector.compile.quantise import never
from inspector.compile.tensorrt.build import BuildError, Compiler, build, find_compiler
from inspector.compile.tensorrt.engine_cache import entry_path, keep_engine, open_cache, take_engine
from inspector.engines.variants import parts
from inspector.parity.report import ParityReport, passed, words

TURING = "7.5"
"""TensorRT for RTX has no FP32 matrix products for it, but convolutions: few graphs keep to these in FP32 or INT8, and
none of a bundle's heads does, so that such a bundle is had in FP16 alone."""
MATRIX_PRODUCTS = frozenset({"MatMul", "Gemm"})


class Ready(NamedTuple):
    """A graph that TensorRT may be handed."""

    path: Path
    artifact: GraphArtifact
    """Known before the build."""


def compile_for_gpu(job: Job) -> CompiledVariant:
    """Raises EngineError without TensorRT, RefusedError by the gate, CompileError for a graph that does not build."""
    compiler = find_compiler(job.wish.targets)
    _require_fp16_for_turing(job, compiler)
    graphs = [_ready(job, artifacts, compiler.targets) for artifacts in _sources(job)]
    report = _checked(job, graphs)
    cache = None if job.wish.cache is None or compiler.device is None else open_cache(job.wish.cache)
    artifacts = tuple(_made(job, ready, compiler, cache) for ready in graphs)
    return CompiledVariant(compiler.name, compiler.targets, job.wish.batches, artifacts, report)


def _require_fp16_for_turing(job: Job, compiler: Compiler) -> None:
    """Before anything is quantised or built. INT8 too leaves matrix products in FP32: those of the head at least."""
    if compiler.distribution != "tensorrt-rtx" or TURING not in compiler.targets or job.wish.precision == "fp16":
        return
    for part, file in parts(job.bundle.schema):
        if (name := _first_full_product(read_graph(job.bundle.path(file)), job.wish.precision, part)) is not None:
            raise CompileError(
                f"{part}: {job.wish.label} leaves operator {name} in FP32, and {compiler.name} has no FP32 matrix "
                f"products for {TURING}; ask for --precision fp16, or leave {TURING} out of --target"
            )


def _first_full_product(model: ModelProto, precision: Precision, part: str) -> str | None:
    full = never(model) if precision == "int8" and part != "head" else kinds(model).keys()
    nodes = (node for node in model.graph.node if node.op_type in MATRIX_PRODUCTS and node.name in full)
    return next((f"{node.name!r} ({node.op_type})" for node in nodes), None)


def _sources(job: Job) -> Sequence[GraphArtifact]:
    """The graphs to convert: as exported, or in INT8 where available."""
    if job.wish.precision == "int8":
        return choose(job, QuantisationTarget("tensorrt", "onnx"))[0]
    return [GraphArtifact(part, None, job.wish.precision, 0.0) for part, _ in parts(job.bundle.schema)]


def _ready(job: Job, artifact: GraphArtifact, targets: Sequence[str]) -> Ready:
    started_s = time.monotonic()
    source = artifact.path or job.bundle.path(dict(parts(job.bundle.schema))[artifact.part])
    path = job.scratch / f"{artifact.part}.onnx"
    onnx.save(for_tensorrt(read_graph(source), artifact.precision, targets, is_head=artifact.part == "head"), path)
    return Ready(path, artifact._replace(seconds=artifact.seconds + time.monotonic() - started_s))


def for_tensorrt(model: ModelProto, precision: Precision, targets: Sequence[str], *, is_head: bool) -> ModelProto:
    """The graph that TensorRT is handed; INT8 is in it already."""
    if precision != "fp16":
        return model
    if TURING in targets:
        model = as_convolutions(model, _full(model, is_head=is_head))
    return to_half(model, _full(model, is_head=is_head))


def _full(model: ModelProto, *, is_head: bool) -> set[str]:
    return staying_full(model, leading_to(model.graph, "gate") if is_head else set())


def _checked(job: Job, graphs: Sequence[Ready]) -> ParityReport:
    job.say("gate", f"decides on {len(job.parity.pieces)} pieces")
    report = check_graphs(job, {ready.artifact.part: ready.path for ready in graphs}, "onnx")
    if not passed(report, job.wish.limit):
        raise RefusedError("\n".join(words(report, job.wish.limit)))
    job.say("gate", flip_summary(report, job.wish.limit))
    return report


def _made(job: Job, ready: Ready, compiler: Compiler, cache: Path | None) -> GraphArtifact:
    part, started_s = ready.artifact.part, time.monotonic()
    engine, origin = _engine(job, ready, compiler, cache)
    path = job.scratch / f"{part}.engine"
    path.write_bytes(engine)
    seconds = ready.artifact.seconds + time.monotonic() - started_s
    job.say(part, f"{origin} in {seconds:.1f} s")
    return ready.artifact._replace(path=path, seconds=seconds)


def _engine(job: Job, ready: Ready, compiler: Compiler, cache: Path | None) -> tuple[bytes, str]:
    """And where it comes from."""
    if cache is None or compiler.device is None:
        return _built(job, ready, compiler), "built"
    graph = ready.path.read_bytes()
    entry = entry_path(cache, graph, job.wish.batches, compiler.name, compiler.device)
    engine = take_engine(entry)
    if engine is not None:
        return engine, "taken from the cache"
    engine = _built(job, ready, compiler)
    keep_engine(entry, engine)
    return engine, "built"


def _built(job: Job, ready: Ready, compiler: Compiler) -> bytes:
    job.say(ready.artifact.part, "builds")
    try:
        return build(ready.path.read_bytes(), kinds(read_graph(ready.path)), job.wish.batches, compiler)
    except BuildError as exc:
        target = f"{job.wish.label} for {', '.join(compiler.targets)}"
        raise CompileError(f"{ready.artifact.part}: {compiler.name} does not build it in {target}: {exc}") from exc
