"""`inspector serve`, `worker` and `gateway`: the service with one command, or its parts on separate machines."""

import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click
import cv2
from prometheus_client import CollectorRegistry

from inspector.access.audit.open import warn_of_lone_log
from inspector.access.audit.protocol import AuditError
from inspector.bundle.load import BundleError
from inspector.cli.config_option import config_option
from inspector.cli.errors import report_user_errors
from inspector.cli.floor_process import floor_process
from inspector.config.opening import log_clock
from inspector.config.service import Service, load_service
from inspector.engines.engine import EngineError
from inspector.gateway.certificates import CertificateError
from inspector.gateway.server import GatewayError
from inspector.rollout.follower import FollowerError
from inspector.rollout.run_check import PreparationCancelledError
from inspector.service.assembly import deployed, guarded, open_gateway
from inspector.service.child import Child
from inspector.service.metrics_server import MetricsError, MetricsServer
from inspector.service.run_worker import WorkerContext, ended_in_time, run_worker, stopped_by_signals, watched
from inspector.worker.metrics import WorkerMetrics
from streams.decode.process import DecodingError
from streams.kafka.client_logs import quiet_client_logs
from streams.log import LogStoppedError

log = logging.getLogger("inspector.service.assembly")

ENDING = (
    AuditError,
    BundleError,
    CertificateError,
    DecodingError,
    EngineError,
    FollowerError,
    GatewayError,
    MetricsError,
)
"""Why a service cannot start or continue, apart from its configuration and its log."""


@click.command()
@config_option
@report_user_errors(*ENDING)
def serve(config: Path) -> None:
    """Runs the whole service until Ctrl+C or SIGTERM: worker, gateway, metrics, and the floor (archive, alerts, live
    page) in a process of its own.

    Example: inspector serve --config service.toml
    """
    service = load_service(config)
    with floor_process(service) as floor:
        _end_to_end(service, worker=True, gateway=True, floor=floor)


@click.command()
@config_option
@click.option("--name", help="Name of this worker, unique in its group. Default: [worker] name.")
@report_user_errors(*ENDING)
def worker(config: Path, name: str | None) -> None:
    """Judges pieces, without a gateway. Workers share the lines of the configuration; give each its own --name.

    Example: inspector worker --config service.toml --name worker-2
    """
    _end_to_end(named(load_service(config), name), worker=True, gateway=False)


@click.command()
@config_option
@report_user_errors(*ENDING)
def gateway(config: Path) -> None:
    """Serves the verdicts of the log to clients over gRPC, without judging the line. Start as many as you like.

    A model is opened only when a client calls Inspect or GetModel.

    Example: inspector gateway --config service.toml
    """
    _end_to_end(load_service(config), worker=False, gateway=True)


def _end_to_end(service: Service, *, worker: bool, gateway: bool, floor: Child | None = None) -> None:
    with ended_in_time(service.config.worker.stop_budget_s):
        _run(service, worker=worker, gateway=gateway, floor=floor)


def _run(service: Service, *, worker: bool, gateway: bool, floor: Child | None = None) -> None:
    """Floor and worker stop at the same time."""
    quiet_client_logs()
    cv2.setNumThreads(1)  # images are small, and the cores belong to the experts
    registry = CollectorRegistry()
    with ExitStack() as stack:
        stack.enter_context(_quiet_stop())
        stop = stack.enter_context(stopped_by_signals(service.config.worker.stop_budget_s))
        if floor is not None:
            floor.stops_with(stop)
        # Before bundles are opened and checked: a counter that is first scraped at 1 shows no increase.
        listeners: list[Callable[[bool], None]] = _serve_metrics(stack, service, registry)
        metrics = WorkerMetrics(registry) if worker else None
        # Also before waiting for the log: the backlog grows meanwhile.
        watch = stack.enter_context(watched(service, metrics, listeners)) if metrics else None
        models = stack.enter_context(deployed(service, stop, registry, is_worker=worker))
        if gateway:
            warn_of_lone_log(service.access.audit)
            server = stack.enter_context(open_gateway(service, models, registry))
            listeners.append(server.line_stands_still)
            log.info("Gateway answers at %s.", server.address)
        # Opening a bundle collects garbage, and nobody judges meanwhile: 150 ms with all modules, 0.3 ms without.
        gc.freeze()
        if metrics and watch:
            context = WorkerContext(log_clock(service.config), watch)
            guard = guarded(service, models.judge, metrics.cost_multiplier.set, context.clock)
            run_worker(service, guard, metrics, stop, shadow=models.shadow, context=context)
        else:
            stop.wait()


@contextmanager
def _quiet_stop() -> Iterator[None]:
    """A stop while the service waits for the log or a bundle is no error."""
    try:
        yield
    except PreparationCancelledError:
        pass
    except LogStoppedError as exc:
        log.info("The service ends: %s.", exc)


def named(service: Service, name: str | None) -> Service:
    """The service under another worker name; unchanged without one."""
    if name is None:
        return service
    config = service.config
    worker = config.worker.model_copy(update={"name": name})
    return Service(service.path, config.model_copy(update={"worker": worker}), service.recipes)


def _serve_metrics(stack: ExitStack, service: Service, registry: CollectorRegistry) -> list[Callable[[bool], None]]:
    """Starts the metrics server, if one is configured; returns its listeners of standstills."""
    metrics = service.config.metrics
    if metrics is None:
        return []
    tls = None if metrics.tls is None else metrics.tls.files
    server = stack.enter_context(MetricsServer(metrics.listen, registry, tls))
    log.info("Metrics for Prometheus at %s://%s/metrics.", "http" if tls is None else "https", metrics.listen)
    return [server.line_stands_still]
