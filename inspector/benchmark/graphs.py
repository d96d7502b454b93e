"""Measures every graph of a bundle in every runtime that takes it here: time, memory, size. Judges no piece."""

from collections.abc import Iterator, Mapping
from functools import partial

from inspector.benchmark.artefacts import Artefact, artefacts
from inspector.benchmark.gpu import NO_GPU, GpuFigures, GpuMeter
from inspector.benchmark.memory import Memory, measure_memory
from inspector.benchmark.report import GraphRow
from inspector.benchmark.settings import BenchSettings, Progress
from inspector.bundle.load import LoadedBundle
from inspector.engines.engine import Engine, EngineSettings
from inspector.engines.timing import Pace, Run, Timing, inputs_for, interleaved
from inspector.engines.variants import parts
from inspector.inference.model import Model

Models = Mapping[EngineSettings, Model]
"""By variant; the others are compared with the first."""


def graph_rows(
    bundle: LoadedBundle, models: Models, settings: BenchSettings, gpu_meter: GpuMeter | None, progress: Progress
) -> list[GraphRow]:
    """Raises EngineError, BenchError."""
    ours = artefacts(bundle, list(models))
    memories: dict[Artefact, Memory | None] = {}
    for artefact in ours:
        progress("memory", len(memories), len(ours))
        memories[artefact] = measure_memory(bundle, artefact)
    progress("memory", len(ours), len(ours))
    todo = [(part, batch) for part, _ in parts(bundle.schema) for batch in settings.batches]
    rows: list[GraphRow] = []
    for done, (part, batch) in enumerate(todo):
        progress("graphs", done, len(todo))
        engines = {artefact: _engine(models, artefact) for artefact in ours if artefact.part == part}
        rows += _rows(engines, batch, settings.pace, gpu_meter, memories)
    progress("graphs", len(todo), len(todo))
    return rows


def _engine(models: Models, artefact: Artefact) -> Engine:
    model = models[artefact.form]
    return model.head if artefact.part == "head" else model.experts[artefact.part]


def _rows(
    engines: Mapping[Artefact, Engine],
    batch: int,
    pace: Pace,
    gpu_meter: GpuMeter | None,
    memories: Mapping[Artefact, Memory | None],
) -> Iterator[GraphRow]:
    """All ways to run one graph, in turn, on the same inputs; the reference first."""
    ours = list(engines)
    inputs = inputs_for(engines[ours[0]].inputs, batch)
    runs: dict[str, Run] = {artefact.key: partial(engine.run, inputs) for artefact, engine in engines.items()}
    baselines = {} if gpu_meter is None else gpu_meter.runs(ours, inputs)
    timings = interleaved({**runs, **baselines}, pace)
    first = timings[ours[0].key]
    for artefact in ours:
        timing = timings[artefact.key]
        yield GraphRow(
            part=artefact.part,
            runs_as=str(artefact.runs_as),
            batch=batch,
            num_runs=len(timing.wall_ms),
            ms=timing.median_ms,
            p95_ms=timing.p95_ms,
            cpu_ms=timing.median_cpu_ms,
            faster=first.median_ms / timing.median_ms,
            less_cpu=first.median_cpu_ms / timing.median_cpu_ms,
            num_bytes=artefact.num_bytes,
            memory=memories[artefact],
            gpu=_gpu(gpu_meter, artefact, batch, runs[artefact.key], timings),
        )


def _gpu(
    gpu_meter: GpuMeter | None, artefact: Artefact, batch: int, run: Run, timings: Mapping[str, Timing]
) -> GpuFigures:
    return GpuFigures.none(NO_GPU) if gpu_meter is None else gpu_meter.figures(artefact, batch, run, timings)
