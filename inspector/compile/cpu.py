"""Turns those experts into INT8 that this machine's processor runs faster in INT8."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import onnxruntime as ort

from inspector.compile.int8_selection import QuantisationTarget, Speed, choose
from inspector.compile.job import CompiledVariant, Job
from inspector.compile.quantise import Feed
from inspector.engines.engine import EngineError, EngineName, EngineSettings
from inspector.engines.factory import check_installed, open_engine
from inspector.engines.timing import Pace, interleaved

PACE = Pace(min_rounds=10)


def compile_for_cpu(job: Job) -> CompiledVariant:
    """Raises EngineError without the runtime, RefusedError where no graph is kept."""
    check_installed(EngineSettings(job.wish.engine))
    graphs, report = choose(job, QuantisationTarget(job.wish.engine, job.wish.engine, partial(speeds, job.wish.engine)))
    return CompiledVariant(f"onnxruntime {ort.__version__}", (), (), graphs, report)


def speeds(runtime: EngineName, fp32: Path, int8: Sequence[Path], feed: Feed) -> list[Speed]:
    """As the line would run these graphs: one piece, one thread; in turn."""
    settings = EngineSettings(runtime)
    runs, refused = {"fp32": partial(open_engine(fp32, settings).run, feed)}, dict[str, Speed]()
    for path in int8:
        try:
            engine = open_engine(path, settings)
            engine.run(feed)
        except EngineError as exc:
            refused[path.name] = Speed(0.0, f"does not run so: {exc}")
        else:
            runs[path.name] = partial(engine.run, feed)
    times_ms = {name: timing.median_cpu_ms for name, timing in interleaved(runs, PACE).items()}
    return [refused.get(path.name) or _speed(times_ms[path.name], times_ms["fp32"]) for path in int8]


def _speed(int8_ms: float, fp32_ms: float) -> Speed:
    ratio = fp32_ms / int8_ms
    return Speed(ratio, f"{int8_ms:.3g} ms in INT8, {fp32_ms:.3g} ms in FP32 ({ratio:.2f} x)")
