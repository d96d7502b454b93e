"""Turns those experts into INT8 that this machine's processor runs faster so. Knows nothing of how they are chosen."""

from functools import partial
from pathlib import Path

import onnxruntime as ort

from inspector.benchmark.timing import Pace, interleaved
from inspector.bundle.schema import Expert
from inspector.compile.eight_bits import Speed, Terms, choose
from inspector.compile.job import Form, Job
from inspector.compile.quantise import Feed
from inspector.engines.engine import EngineSettings
from inspector.engines.factory import check_installed, open_engine

PACE = Pace(min_rounds=10)


def compile_for_cpu(job: Job) -> Form:
    """Raises EngineError without the runtime, RefusedError where no graph is kept."""
    check_installed(EngineSettings(job.wish.engine))
    graphs, report = choose(job, Terms("cpu", job.wish.engine, partial(_speed, job)))
    return Form(f"onnxruntime {ort.__version__}", (), (), graphs, report)


def _speed(job: Job, expert: Expert, path: Path, feed: Feed) -> Speed:
    """As the line would run both graphs: one piece, one thread; in turn."""
    settings = EngineSettings(job.wish.engine)
    engines = {"int8": open_engine(path, settings), "fp32": open_engine(job.bundle.path(expert.file), settings)}
    times = interleaved({name: partial(engine.run, feed) for name, engine in engines.items()}, PACE)
    int8_ms, fp32_ms = times["int8"].median_cpu_ms, times["fp32"].median_cpu_ms
    ratio = fp32_ms / int8_ms
    return Speed(ratio, f"{int8_ms:.3g} ms in INT8, {fp32_ms:.3g} ms in FP32 ({ratio:.2f} x)")
