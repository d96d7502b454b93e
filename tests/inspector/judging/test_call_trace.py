"""Judging one piece calls forward only: worker, judging, inference, engines, and never back into an earlier package."""

import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType, FunctionType

import cv2
import numpy as np
from prometheus_client import CollectorRegistry

from inspector.bundle.schema import SignalInput
from inspector.engines.engine import EngineSettings
from inspector.inference.opening import open_models
from inspector.judging.overload import OverloadGuard
from inspector.judging.price_control import CostController
from inspector.judging.routed_judge import RoutedJudge
from inspector.judging.settings import BudgetSettings, OverloadSettings
from inspector.recipe.recipes import Recipes
from inspector.worker.metrics import WorkerMetrics
from inspector.worker.pipeline import Pipeline
from inspector.worker.settings import PipelineSettings
from inspector.worker.shards import Shards, ShardSettings
from protos.inspection.v1 import records_pb2 as pb
from streams.decode.limits import Limits
from streams.embedded import EmbeddedLog
from streams.encoding import to_output
from streams.join.assembly import JoinSettings
from streams.log import Sink, Source
from streams.records import Output
from streams.references.lane import ReferenceSettings
from streams.references.references import Resolver
from tests.bundles import Toy, grey, write_toy_bundle
from tests.line import RATE_HZ, RECIPE, TOPICS, chunk, ends, frame, publish, work

ORDER = ("inspector.worker", "inspector.judging", "inspector.inference", "inspector.engines")
SIGNAL = SignalInput(sample_rate_hz=RATE_HZ, num_samples=100, num_channels=1)


def test_one_piece_is_judged_from_the_worker_to_the_engines_and_nothing_calls_back(
    log: EmbeddedLog, path: Path, tmp_path: Path
) -> None:
    publish(log, one_piece())
    source, sink = ends(log)
    with closing(source), closing(sink):
        pipeline = build(source, sink, write_toy_bundle(tmp_path / "toy", Toy(signal=SIGNAL)))
        with traced() as calls:
            (verdict,) = work(pipeline, path, 1)
    assert {run.expert for run in verdict.experts if run.ran} >= {"top-thumb", "mic-ear"}
    assert verdict.images
    assert {(ORDER[number], ORDER[number + 1]) for number in range(len(ORDER) - 1)} <= {
        (package(caller), package(callee)) for caller, callee in calls
    }
    assert not backward(calls), "calls back into an earlier package:\n" + "\n".join(
        f"  {caller} calls {callee}" for caller, callee in sorted(backward(calls))
    )


def test_a_callback_into_an_earlier_package_is_seen() -> None:
    clock_s = FunctionType((lambda: 0.0).__code__, {"__name__": "inspector.worker.clock"}, "clock_s")
    with traced() as calls:
        CostController(BudgetSettings(), clock_s)
    ((caller, callee),) = backward(calls)
    assert (caller, package(callee)) == (
        "inspector.judging.price_control.CostController.__init__",
        "inspector.worker",
    )


def one_piece() -> list[Output]:
    begin_ns = time.time_ns() - 2_000_000_000
    png = cv2.imencode(".png", grey(0.4))[1].tobytes()
    sound = pb.SignalChunk.FromString(chunk(0, begin_ns).value)
    sound.samples.data = np.linspace(8000, 8200, 100).astype("<i2").tobytes()
    return [frame("p0", begin_ns, png), to_output(TOPICS, sound), chunk(1, begin_ns)]


def build(source: Source, sink: Sink, bundle: Path) -> Pipeline:
    """As the service assembles it, with every part between the worker and the engines."""
    recipe = RECIPE.model_copy(update={"bundle": bundle, "evidence": "always"})
    recipes, metrics = Recipes([recipe]), WorkerMetrics(CollectorRegistry())
    models = open_models(recipes, [EngineSettings("onnx", 1)])
    control = CostController(BudgetSettings(max_p99_s=60.0), time.monotonic)
    guard = OverloadGuard(RoutedJudge(recipes, models), OverloadSettings(), control, show=metrics.cost_multiplier.set)
    resolver = Resolver(ReferenceSettings(), Limits())
    shards = Shards(ShardSettings("qa", ("line-1",), JoinSettings(), Limits()), recipes, resolver, metrics)
    return Pipeline(source, sink, shards, guard, PipelineSettings(), metrics, lambda _: recipe.deadline_s)


@contextmanager
def traced() -> Iterator[set[tuple[str, str]]]:
    """Callers and callees of this thread, as module.function. The caller is the nearest one in a package of `ORDER`:
    a callback through other code counts as a call of the package that ran this code."""
    calls: set[tuple[str, str]] = set()

    def note(called: FrameType, event: str, _: object) -> None:
        if event != "call" or not is_traced(called):
            return
        caller = called.f_back
        while caller is not None and not is_traced(caller):
            caller = caller.f_back
        if caller is not None:
            calls.add((name_of(caller), name_of(called)))

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield calls
    finally:
        sys.setprofile(before)


def backward(calls: set[tuple[str, str]]) -> set[tuple[str, str]]:
    return {(caller, callee) for caller, callee in calls if position(callee) < position(caller)}


def name_of(called: FrameType) -> str:
    return f"{called.f_globals.get('__name__', '')}.{called.f_code.co_qualname}"


def is_traced(called: FrameType) -> bool:
    return package(name_of(called)) in ORDER


def package(name: str) -> str:
    return ".".join(name.split(".")[:2])


def position(name: str) -> int:
    return ORDER.index(package(name))
