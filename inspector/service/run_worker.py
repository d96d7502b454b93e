"""Assembles a worker (source, sink, shards, pipeline) and runs it until it is stopped."""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType

from inspector.config.opening import open_ends
from inspector.config.service import Service, ServiceConfig, reference_problems
from inspector.recipe.recipes import Recipes
from inspector.verdicts.judge import Judge, ShadowEvaluator
from inspector.worker.metrics import WorkerMetrics
from inspector.worker.pipeline import Pipeline
from inspector.worker.settings import PipelineSettings, StallSettings
from inspector.worker.shards import Shards, ShardSettings
from inspector.worker.stall import StallWatch
from inspector.worker.watchdog import Watchdog
from protos.inspection.v1.verdict_pb2 import Verdict
from streams.decode.large_images import LargeImages
from streams.decode.limits import Limits
from streams.decode.process import Decoder
from streams.log import Sink, Source
from streams.log_clock import LogClock
from streams.references.references import Resolver
from streams.references.stores import prepare

log = logging.getLogger("inspector.service.run_worker")

Ends = tuple[Source, Sink]
_SWITCH_S = 0.0005
"""Python lets another thread run after this time. With its 5 ms, each of the ten returns of a batch from ONNX Runtime
waits that long for the main loop, and each of the loop's reads for the judge: a sixth of the throughput."""


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """Shared by a worker and the rest of its process: the log's clock and the stall watch."""

    clock: LogClock = field(default_factory=LogClock)
    watch: StallWatch = field(default_factory=lambda: StallWatch(StallSettings(), time.monotonic()))


@contextmanager
def watched(
    service: Service, metrics: WorkerMetrics, listeners: Sequence[Callable[[bool], None]]
) -> Iterator[StallWatch]:
    """Notifies `listeners` that the line is stalled (True) or runs again (False), also while the start waits for the
    log. Listeners may be added to the sequence later."""
    watch = StallWatch(stall_settings(service.config, service.recipes), time.monotonic())
    with Watchdog(watch, metrics, listeners):
        yield watch


def run_worker(
    service: Service,
    judge: Judge,
    metrics: WorkerMetrics,
    stop: threading.Event,
    ends: Callable[[], Ends] | None = None,
    shadow: ShadowEvaluator | None = None,
    context: WorkerContext | None = None,
) -> None:
    """Works until `stop` is set; waits through outages. Raises LogError if the log cannot be used at all,
    LogStoppedError if `stop` is set before it is open."""
    config, context = service.config, context or WorkerContext()
    with ExitStack() as stack:
        source, sink = (ends or (lambda: open_ends(service, context.clock, stop)))()
        stack.enter_context(closing(sink))
        stack.enter_context(closing(source))
        resolver = stack.enter_context(closing(_resolver(service)))
        settings = ShardSettings(config.prefix, config.lines, config.join.settings, _limits(service))
        decoder = stack.enter_context(closing(_decoder(config.worker.num_cores)))
        large = stack.enter_context(closing(LargeImages(settings.limits)))
        shards = Shards(settings, service.recipes, resolver, metrics, decoder, large)
        metrics.clock_skew.set_function(lambda: context.clock.skew_s)
        pipeline = Pipeline(
            source,
            sink,
            shards,
            judge,
            _pipeline_settings(service),
            metrics,
            deadlines(service),
            shadow=shadow,
            watch=context.watch,
            clock=context.clock,
        )
        log.info("Worker %s judges lines %s: all is well.", config.worker.name, ", ".join(config.lines))
        pipeline.run(stop)
    log.info("Worker %s has stopped.", config.worker.name)


def deadlines(service: Service) -> Callable[[Verdict], float | None]:
    """Looks up the deadline of a verdict's recipe; None without a recipe."""

    def deadline_s(verdict: Verdict) -> float | None:
        recipe = service.recipes.find(verdict.inspection.line, verdict.inspection.station, verdict.product)
        return None if recipe is None else recipe.deadline_s

    return deadline_s


class _TimedStop(threading.Event):
    """Setting it starts the time within which the process ends."""

    def __init__(self, timer: threading.Timer) -> None:
        super().__init__()
        self._timer = timer

    def set(self) -> None:
        is_first = not self.is_set()
        super().set()
        if is_first:
            with suppress(RuntimeError):  # two threads at once: the other one has started it
                self._timer.start()


@contextmanager
def stopped_by_signals(budget_s: float) -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set, or others. A stop beyond its budget ends the process at once, as does a
    second signal: nothing is lost, because uncommitted input is read again.

    The budget also holds after this context, because the interpreter waits for threads at its end: one that hangs in a
    fetch or in a model would keep it forever."""
    timer = threading.Timer(budget_s, _end_hard, [budget_s])
    timer.daemon = True
    stop = _TimedStop(timer)

    def handle(number: int, _: FrameType | None) -> None:
        if stop.is_set():
            os._exit(128 + number)
        log.info("Received %s: stopping within %.0f s.", signal.Signals(number).name, budget_s)
        stop.set()

    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        if not stop.is_set():
            timer.cancel()
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def ended_in_time(budget_s: float) -> Iterator[None]:
    """Ends the process within the budget after the body, whatever hangs."""
    try:
        yield
    finally:
        timer = threading.Timer(budget_s, _end_hard, [budget_s])
        timer.daemon = True
        timer.start()


def _end_hard(budget_s: float) -> None:
    busy = sorted(thread.name for thread in threading.enumerate() if not thread.daemon)
    log.error(
        "Still running %.0f s after the stop was requested (threads: %s), so the process ends now. No data is lost: "
        "uncommitted input will be read again.",
        budget_s,
        ", ".join(busy),
    )
    logging.shutdown()
    os._exit(1)


def stall_settings(config: ServiceConfig, recipes: Recipes) -> StallSettings:
    """A piece may wait for the longest window, then for delayed records and a fetch, and for the skew of clocks."""
    join = config.join
    ends_s = [0.0, *(sensor.end_s for recipe in recipes for sensor in recipe.sensors)]
    spans_s = [0.0, *(recipe.capture_span_s for recipe in recipes)]
    wait_s = max(ends_s) + max(spans_s) + 2 * join.max_delay_s + join.reorder_s + join.max_skew_s
    return StallSettings(config.worker.stall_after_s, wait_s)


def _decoder(num_cores: int) -> Decoder:
    """With several cores it decodes ahead, and threads that come back from native code get their turn at once."""
    if num_cores == 1:
        return Decoder()
    sys.setswitchinterval(_SWITCH_S)
    return Decoder(num_ahead=num_cores)


def _limits(service: Service) -> Limits:
    return Limits(max_record_bytes=service.config.max_record_bytes)


def _resolver(service: Service) -> Resolver:
    settings = service.config.references.settings
    for problem in reference_problems(service):
        log.error("%s. Until then all images below this prefix become dead letters.", problem)
    threading.Thread(target=prepare, args=(settings.allowed_prefixes,), name="prepare", daemon=True).start()
    return Resolver(settings, _limits(service))


def _pipeline_settings(service: Service) -> PipelineSettings:
    worker = service.config.worker
    return PipelineSettings(
        worker.commit_delay_s,
        worker.max_verdicts_per_commit,
        cores=worker.num_cores,
        max_record_bytes=service.config.max_record_bytes,
    )
