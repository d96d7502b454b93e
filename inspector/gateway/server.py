"""Serves a log and a judge over gRPC, with an event loop in its own thread. Does not depend on broker or model."""

import asyncio
import threading
from concurrent.futures import Future
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Self

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import CollectorRegistry

from inspector.access.audit.protocol import Audit, NoAudit
from inspector.access.exposure import exposure_problem, is_loopback
from inspector.access.sign_in import AccessSetupError
from inspector.gateway.certificates import CertificateError
from inspector.gateway.connections import Calls, ConnectionLimit, allowed_connections
from inspector.gateway.doubts import Doubt, doubts_of
from inspector.gateway.entrance import Entrance
from inspector.gateway.feedback import FeedbackWriter
from inspector.gateway.guard import Guard
from inspector.gateway.health import Health
from inspector.gateway.inspecting import InspectService
from inspector.gateway.lanes import lanes_of
from inspector.gateway.lookup import Lookup
from inspector.gateway.metrics import GatewayMetrics
from inspector.gateway.responses import Responses
from inspector.gateway.service import InspectionService, ModelLookup
from inspector.gateway.settings import GatewaySettings
from inspector.gateway.state import GatewayState
from inspector.gateway.tls import server_credentials
from inspector.gateway.watching import WatchService
from inspector.verdicts.feed import Feed, FeedPace, Followed
from inspector.verdicts.judge import Judge
from inspector.verdicts.ring import Entry, entries_of
from protos.inspection.v1.service_pb2 import DESCRIPTOR
from protos.inspection.v1.service_pb2_grpc import add_InspectionServiceServicer_to_server
from streams.decode.limits import Limits
from streams.join.assembly import RecipeBook
from streams.log import Log, Start

MAX_STREAMS = 200
"""Calls of one connection at the same time; further calls wait in the client."""
SERVICE = DESCRIPTOR.services_by_name["InspectionService"].full_name


class GatewayError(Exception):
    """The gateway cannot serve as configured; the message says how to fix it."""


@dataclass(frozen=True, slots=True)
class Backend:
    """Log, recipes and judge of a gateway. Without a judge it refuses `Inspect`."""

    log: Log
    prefix: str
    lines: frozenset[str]
    recipes: RecipeBook
    models: ModelLookup
    judge: Judge | None = None
    limits: Limits = Limits()  # noqa: RUF009 - frozen
    audit: Audit = NoAudit()  # noqa: RUF009 - has no state
    """Keeps a record of feedback and of failed sign-ins."""


class Gateway:
    """Start and stop in any thread, or use it as a context manager."""

    def __init__(self, backend: Backend, settings: GatewaySettings, registry: CollectorRegistry | None = None) -> None:
        check_exposure(settings)
        self._backend, self._settings = backend, settings
        self._metrics = GatewayMetrics(CollectorRegistry() if registry is None else registry)
        self._listening: Future[int] = Future()
        self._responses = Responses(settings.ring_bytes // 8)
        self._serving = threading.Event()
        self._budget_s = 5.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._state: GatewayState | None = None
        self._thread = threading.Thread(target=self._run, name="gateway", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, timeout_s: float = 30.0) -> None:
        """Returns once calls are answered; recent verdicts are known after `wait_serving`. Raises GatewayError."""
        self._thread.start()
        self._listening.result(timeout_s)

    def wait_serving(self, timeout_s: float) -> bool:
        """Waits until recent verdicts are read from the log; False if that takes longer."""
        return self._serving.wait(timeout_s)

    @property
    def address(self) -> str:
        """The address, with the actual port."""
        return f"{self._settings.listen.rpartition(':')[0]}:{self._listening.result(0)}"

    def line_stands_still(self, standing: bool) -> None:
        """Sets health to NOT_SERVING while the line produces no verdicts."""
        state = self._state
        if state is not None and self._thread.is_alive() and self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended in between
                self._loop.call_soon_threadsafe(state.stand_still, standing)

    def stop(self, budget_s: float = 5.0) -> None:
        """Lets calls end within the budget; disconnects watchers at once, so that they resume elsewhere."""
        if self._thread.is_alive() and self._loop is not None:
            self._budget_s = budget_s
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except GatewayError as error:
            self._listening.set_exception(error)
        finally:
            if not self._listening.done():
                self._listening.set_exception(GatewayError("the gateway ended before it listened: see the trace above"))

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            servicer = Health(frozenset({health.OVERALL_HEALTH, SERVICE}), self._settings.send_timeout_s)
            state = self._state = GatewayState(self._settings, self._metrics, servicer, self._serving)
            calls = Calls()
            guard = _guard(self._settings, self._backend.audit)
            stack.callback(guard.close)
            entrance = Entrance(lanes_of(self._settings, self._metrics), self._settings, self._metrics, calls, guard)
            server, port = _server(self._settings, entrance)
            add_InspectionServiceServicer_to_server(self._service(state, stack), server)  # type: ignore[no-untyped-call]
            health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
            reflection.enable_server_reflection([SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
            feeds = self._feeds(state)
            await server.start()
            for feed in feeds:
                stack.push_async_callback(feed.stop)
                feed.start()
            limit = ConnectionLimit(port, self._settings.max_connections_per_host, calls)
            self._metrics.closed.set_function(lambda: limit.num_closed)
            stack.callback(asyncio.create_task(limit.run()).cancel)
            self._listening.set_result(port)
            await self._stop.wait()
            state.end()
            await server.stop(self._budget_s)

    def _service(self, state: GatewayState, stack: AsyncExitStack) -> InspectionService:
        backend, settings = self._backend, self._settings
        lookup = Lookup(backend.log, state.index, state.doubts, settings.lookup_s)
        stack.callback(lookup.close)
        feedback = FeedbackWriter(
            backend.log, backend.prefix, backend.lines, lookup, settings.feedback_per_s, backend.audit
        )
        stack.callback(feedback.close)
        inspecting = InspectService(backend.judge, backend.recipes, backend.limits, settings)
        stack.callback(inspecting.close)
        watching = WatchService(backend.log, state, self._responses, settings, self._metrics)
        return InspectionService(watching, lookup, inspecting, feedback, backend.models, self._metrics)

    def _feeds(self, state: GatewayState) -> list[Feed[Entry] | Feed[Doubt]]:
        log, start, loop = self._backend.log, Start(time_ns=state.index.since_ns), asyncio.get_running_loop()
        pace = FeedPace(self._settings.poll_s, self._settings.max_outage_delay_s)
        verdicts = Feed(Followed("verdicts", log.tail, entries_of), start, state, loop, pace=pace)
        doubts = Feed(Followed("dead letters", log.dead_letters, doubts_of), start, state.doubts, loop, pace=pace)
        return [verdicts, doubts]


def check_exposure(settings: GatewaySettings) -> None:
    """Raises GatewayError if verdicts could leave the machine unencrypted without `allow_insecure`, or if others reach
    the gateway and nobody decided who may."""
    if settings.tls is None and not settings.allow_insecure and not is_loopback(settings.listen):
        raise GatewayError(
            f"listen is {settings.listen!r}, which is reachable from outside, without TLS: configure a certificate, "
            "listen on 127.0.0.1, or set allow_insecure where the network is protected otherwise"
        )
    if problem := exposure_problem(settings.listen, lets_somebody_in=settings.access.lets_somebody_in):
        raise GatewayError(problem)


def _guard(settings: GatewaySettings, audit: Audit) -> Guard:
    try:
        return Guard(settings, audit)
    except AccessSetupError as exc:
        raise GatewayError(str(exc)) from exc


def _server(settings: GatewaySettings, entrance: Entrance) -> tuple[grpc.aio.Server, int]:
    server = grpc.aio.server(interceptors=[entrance], options=_options(settings))
    try:
        if settings.tls is None:
            return server, server.add_insecure_port(settings.listen)
        return server, server.add_secure_port(settings.listen, server_credentials(settings.tls))
    except CertificateError as error:
        raise GatewayError(str(error)) from error
    except RuntimeError as exc:
        raise GatewayError(
            f"cannot listen on {settings.listen}: it is no address of this machine, or another program listens there, "
            "perhaps a service that still runs. Stop that one, or choose a free address in [gateway] listen; gateways "
            "that are to share one set share_port = true in [gateway] of every gateway"
        ) from exc


def _options(settings: GatewaySettings) -> list[tuple[str, int]]:
    size = settings.max_message_bytes
    return [
        ("grpc.max_receive_message_length", size),
        ("grpc.max_send_message_length", size),
        ("grpc.so_reuseport", int(settings.share_port)),
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
        ("grpc.max_concurrent_streams", MAX_STREAMS),
        # An unread request stays at its sender except for a window of 64 KiB. The probe would widen the window for
        # fast senders: 138 unread requests of 8 MiB took 1.7 GB.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.max_allowed_incoming_connections", allowed_connections(settings.max_connections)),
        ("grpc.server_handshake_timeout_ms", 5_000),
        ("grpc.max_connection_idle_ms", 600_000),
    ]
