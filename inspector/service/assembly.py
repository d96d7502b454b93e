"""Builds judge and gateway from a service's configuration."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Event

from prometheus_client import CollectorRegistry

from inspector.access.audit.metrics import watch_size
from inspector.access.audit.open import open_audit
from inspector.access.audit.protocol import Audit
from inspector.config.opening import open_log
from inspector.config.service import Service
from inspector.gateway.refusal import unavailable
from inspector.gateway.server import Backend, Gateway
from inspector.gateway.service import ModelLookup
from inspector.judging.describe_model import describe_model
from inspector.judging.overload import OverloadGuard
from inspector.judging.price_control import CostController
from inspector.judging.routed_judge import RoutedJudge
from inspector.judging.settings import BudgetSettings, OverloadSettings
from inspector.rollout.boot import boot, boot_worker
from inspector.rollout.control.records import targets_of
from inspector.rollout.follower import Follower
from inspector.rollout.installer import Installer
from inspector.rollout.metrics import DeployMetrics, RefusedEngines
from inspector.rollout.on_demand import ModelsOnDemand, NotOpenError
from inspector.rollout.shadow import Comparison, Shadow
from inspector.rollout.worker_status import Reports
from protos.inspection.v1.service_pb2 import GetModelResponse
from protos.inspection.v1.verdict_pb2 import Verdict
from streams.decode.limits import Limits
from streams.log import Log
from streams.log_clock import LogClock
from streams.observation import Observation

INSPECT_WAIT_S = 20.0
"""A call of `Inspect` waits for the models this long; clients give up after 30 s."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """A judge over the active models, which change with the control topics."""

    judge: RoutedJudge
    shadow: Shadow
    on_demand: ModelsOnDemand | None = None
    """Opens the models of `judge`; None where they are open already."""

    def demand_models(self, timeout_s: float) -> None:
        """Raises StatusError (UNAVAILABLE) where no model is open within `timeout_s`."""
        if self.on_demand is None:
            return
        try:
            self.on_demand.demand(timeout_s)
        except NotOpenError as exc:
            raise unavailable(str(exc)) from exc


@contextmanager
def deployed(
    service: Service, stop: Event, registry: CollectorRegistry, *, is_worker: bool = True
) -> Iterator[Deployed]:
    """Follows deployments. A worker opens their models at once and reports its status; any other process opens them
    when the first call needs one. Raises BundleError, EngineError, ConfigError, LogError; PreparationCancelledError;
    FollowerError at the end."""
    config = service.config
    metrics = DeployMetrics(registry, targets_of(service))
    comparison = Comparison(metrics)
    with closing(open_log(service.path, config, stop)) as log:
        reports = Reports(log if is_worker else None, config.prefix, config.worker.name, comparison)
        installer = Installer(service, log, reports, metrics, stop)
        registry.register(RefusedEngines(installer.active_models))
        judge = RoutedJudge(service.recipes, installer.active_models, config.worker.max_batch)
        shadow = Shadow(judge, comparison)
        on_demand = None if is_worker else ModelsOnDemand(partial(boot, installer))
        follower = Follower(installer, shadow, on_demand)
        if is_worker:
            boot_worker(installer)
        follower.start()
        try:
            yield Deployed(judge, shadow, on_demand)
        finally:
            follower.stop()


def guarded(
    service: Service,
    judge: RoutedJudge,
    show: Callable[[float], None] = lambda cost_multiplier: None,
    clock: LogClock | None = None,
) -> OverloadGuard:
    """The judge of a worker, which computes less while pieces wait too long; calls `show` with the cost multiplier.
    Measures waiting by the log's `clock`."""
    clock = clock or LogClock()
    worker = service.config.worker
    settings = OverloadSettings(worker.scouts_only_after_s, worker.review_after_s)
    limits = BudgetSettings(worker.max_p99_s, worker.max_cpu_share)
    control = CostController(limits, time.monotonic)
    return OverloadGuard(judge.with_own_budget(clock), settings, control, show=show, clock_ns=clock.reached_ns)


@contextmanager
def open_gateway(service: Service, models: Deployed, registry: CollectorRegistry) -> Iterator[Gateway]:
    """A gateway that answers, with a log of its own. Raises AuditError, GatewayError, LogError."""
    config = service.config
    settings = config.gateway.settings(config.max_record_bytes, service.access)
    with (
        open_audit(service.access.audit) as audit,
        closing(open_log(service.path, config)) as log,
        Gateway(_backend(service, models, log, audit), settings, registry) as gateway,
    ):
        watch_size(registry, service.access.audit.folder)
        yield gateway


def _backend(service: Service, models: Deployed, log: Log, audit: Audit) -> Backend:
    config = service.config
    return Backend(
        log=log,
        prefix=config.prefix,
        lines=frozenset(config.lines),
        recipes=service.recipes,
        models=_model_lookup(service, models),
        judge=_InspectJudge(models),
        limits=Limits(max_record_bytes=config.max_record_bytes),
        audit=audit,
    )


@dataclass(frozen=True, slots=True)
class _InspectJudge:
    """Implements `Judge` for the calls of `Inspect`, the first of which may open the models."""

    models: Deployed

    def judge(self, observations: Sequence[Observation]) -> list[Verdict]:
        """Raises StatusError where the models are not open."""
        self.models.demand_models(INSPECT_WAIT_S)
        return self.models.judge.judge(observations)


def _model_lookup(service: Service, models: Deployed) -> ModelLookup:
    only = next(iter(service.recipes)) if len(service.recipes) == 1 else None

    def model(line: str, station: str, product: str) -> GetModelResponse | None:
        """Does not wait: it runs in the gateway's event loop."""
        recipe = service.recipes.find(line, station, product) or (only if not (line or station or product) else None)
        if recipe is None:
            return None
        models.demand_models(0.0)
        return describe_model(recipe, models.judge.live(line, recipe))

    return model
