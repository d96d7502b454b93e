"""Builds judge and gateway from a service's configuration."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from threading import Event

from prometheus_client import CollectorRegistry

from inspector.config.opening import open_log
from inspector.config.service import Service
from inspector.gateway.server import Backend, Gateway
from inspector.gateway.service import ModelLookup
from inspector.judging.describe_model import describe_model
from inspector.judging.overload import OverloadGuard, OverloadSettings
from inspector.judging.price_control import BudgetSettings, CostController
from inspector.judging.routed_judge import RoutedJudge
from inspector.rollout.control.records import places_of
from inspector.rollout.follower import Follower
from inspector.rollout.metrics import DeployMetrics, RefusedEngines
from inspector.rollout.shadow import Comparison, Shadow
from inspector.rollout.worker_status import Reports
from protos.inspection.v1.service_pb2 import GetModelResponse
from streams.decode.limits import Limits
from streams.log import Log
from streams.log_clock import LogClock


@dataclass(frozen=True, slots=True)
class Deployed:
    """What judges as the control topics say, now and when they change."""

    judge: RoutedJudge
    shadow: Shadow


@contextmanager
def deployed(
    service: Service, stop: Event, registry: CollectorRegistry, *, is_worker: bool = True
) -> Iterator[Deployed]:
    """Opens what was deployed, or the bundles that the recipes name, and follows what is deployed from now on; a
    worker tells how far it is. Raises BundleError, EngineError, ConfigError, LogError; GivenUpError;
    FollowerError at the end."""
    config = service.config
    metrics = DeployMetrics(registry, places_of(service))
    comparison = Comparison(metrics)
    with closing(open_log(service.path, config, stop)) as log:
        reports = Reports(log if is_worker else None, config.prefix, config.worker.name, comparison)
        follower = Follower(service, log, reports, metrics, stop)
        registry.register(RefusedEngines(follower.active_models))
        try:
            judge = RoutedJudge(service.recipes, follower.active_models, config.worker.max_batch)
            shadow = Shadow(judge, comparison)
            follower.start(shadow)
            yield Deployed(judge, shadow)
        finally:
            follower.stop()


def guarded(
    service: Service,
    judge: RoutedJudge,
    show: Callable[[float], None] = lambda cost_multiplier: None,
    clock: LogClock | None = None,
) -> OverloadGuard:
    """The judge of a worker, which computes less while pieces wait too long by the log's `clock`; `show` gets the cost
    multiplier."""
    clock = clock or LogClock()
    worker = service.config.worker
    settings = OverloadSettings(worker.scouts_only_after_s, worker.review_after_s)
    limits = BudgetSettings(worker.max_p99_s, worker.max_cpu_share)
    control = CostController(limits, time.monotonic)
    return OverloadGuard(judge.with_own_budget(clock), settings, control, show=show, clock_ns=clock.reached_ns)


@contextmanager
def open_gateway(service: Service, judge: RoutedJudge, registry: CollectorRegistry) -> Iterator[Gateway]:
    """A running gateway with its own log; stopped and closed on leaving.

    Raises GatewayError, LogError.
    """
    config = service.config
    settings = config.gateway.settings(config.max_record_bytes)
    with (
        closing(open_log(service.path, config)) as log,
        Gateway(_backend(service, judge, log), settings, registry) as gateway,
    ):
        yield gateway


def _backend(service: Service, judge: RoutedJudge, log: Log) -> Backend:
    config = service.config
    return Backend(
        log=log,
        prefix=config.prefix,
        lines=frozenset(config.lines),
        recipes=service.recipes,
        models=_models(service, judge),
        judge=judge,
        limits=Limits(max_record_bytes=config.max_record_bytes),
    )


def _models(service: Service, judge: RoutedJudge) -> ModelLookup:
    only = next(iter(service.recipes)) if len(service.recipes) == 1 else None

    def model(line: str, station: str, product: str) -> GetModelResponse | None:
        recipe = service.recipes.find(line, station, product) or (only if not (line or station or product) else None)
        return None if recipe is None else describe_model(recipe, judge.live(line, recipe))

    return model
