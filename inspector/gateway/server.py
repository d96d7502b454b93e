"""Serves a log and a judge over gRPC: an event loop in a thread of its own, for one process or for many.

Knows neither broker nor model, only their seams.
"""

import asyncio
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Self

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import CollectorRegistry

from inspector.config.tables import is_loopback
from inspector.gateway.feed import Feed, Position
from inspector.gateway.feedback import FeedbackDesk
from inspector.gateway.index import VerdictIndex
from inspector.gateway.inspecting import Inspecting
from inspector.gateway.metrics import GatewayMetrics
from inspector.gateway.ring import Entry, Ring
from inspector.gateway.service import InspectionService, ModelLookup
from inspector.gateway.settings import GatewaySettings, TlsFiles
from inspector.gateway.unreadable import UnreadableRequests
from inspector.gateway.watching import Watching
from inspector.judge import Judge
from protos.inspection.v1.service_pb2 import DESCRIPTOR
from protos.inspection.v1.service_pb2_grpc import add_InspectionServiceServicer_to_server
from streams.assembly import RecipeBook
from streams.limits import Limits
from streams.log import Log, Start

SERVICE = DESCRIPTOR.services_by_name["InspectionService"].full_name


class GatewayError(Exception):
    """The gateway cannot serve as configured; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Backend:
    """What a gateway serves. `judge` None: no `Inspect` here."""

    log: Log
    prefix: str
    lines: frozenset[str]
    recipes: RecipeBook
    models: ModelLookup
    judge: Judge | None = None
    limits: Limits = Limits()  # noqa: RUF009 - frozen


class Gateway:
    """`start` in any thread, `stop` in any thread; a context manager does both."""

    def __init__(self, backend: Backend, settings: GatewaySettings, registry: CollectorRegistry | None = None) -> None:
        check_exposure(settings)
        self._backend, self._settings = backend, settings
        self._metrics = GatewayMetrics(CollectorRegistry() if registry is None else registry)
        self._listening: Future[int] = Future()
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
        """Returns once calls are answered; `wait_serving` tells when recent verdicts are known. Raises GatewayError."""
        self._thread.start()
        self._listening.result(timeout_s)

    def wait_serving(self, timeout_s: float) -> bool:
        """Whether the gateway has read back what it should know, within this time."""
        return self._serving.wait(timeout_s)

    @property
    def address(self) -> str:
        """Where it listens, with the port that it was given."""
        return f"{self._settings.listen.rpartition(':')[0]}:{self._listening.result(0)}"

    def line_stands_still(self, standing: bool) -> None:
        """Health is NOT_SERVING from True to False: nobody gets the verdicts that a client would wait for."""
        state = self._state
        if state is not None and self._thread.is_alive() and self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended in between
                self._loop.call_soon_threadsafe(state.stand_still, standing)

    def stop(self, budget_s: float = 5.0) -> None:
        """Lets calls end within the budget; watchers are sent away at once, to resume elsewhere."""
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
            desk = FeedbackDesk(self._backend.log, self._backend.prefix, self._backend.lines)
            stack.callback(desk.close)
            inspecting = self._inspecting()
            stack.callback(inspecting.close)
            servicer = health.aio.HealthServicer()
            state = self._state = GatewayState(self._settings, self._metrics, servicer, self._serving)
            await state.report(serving=False)
            watching = Watching(self._backend.log, state.ring, self._settings, self._metrics)
            service = InspectionService(watching, state.index, inspecting, desk, self._backend.models, self._metrics)
            server, port = _server(self._settings)
            add_InspectionServiceServicer_to_server(service, server)  # type: ignore[no-untyped-call]
            health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
            reflection.enable_server_reflection([SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
            feed = self._feed(state)
            await server.start()
            stack.push_async_callback(feed.stop)
            feed.start()
            self._listening.set_result(port)
            await self._stop.wait()
            await servicer.enter_graceful_shutdown()
            state.ring.close()
            await server.stop(self._budget_s)

    def _inspecting(self) -> Inspecting:
        backend, settings = self._backend, self._settings
        return Inspecting(
            backend.judge, backend.recipes, backend.limits, settings.inspect_concurrency, settings.inspect_queue
        )

    def _feed(self, state: "GatewayState") -> Feed:
        feed = Feed(self._backend.log, Start(time_ns=state.index.since_ns), state, asyncio.get_running_loop())
        feed.poll_s, feed.max_delay_s = self._settings.poll_s, self._settings.max_outage_delay_s
        return feed


class GatewayState:
    """What the feed fills, in the event loop: the ring for watchers, the index for look-ups, the health for all."""

    def __init__(
        self,
        settings: GatewaySettings,
        metrics: GatewayMetrics,
        servicer: "health.aio.HealthServicer",
        serving: threading.Event,
    ) -> None:
        self._metrics, self._health, self._serving = metrics, servicer, serving
        self._reports: set[asyncio.Task[None]] = set()
        self._has_caught_up = self._stands_still = False
        self.ring = Ring(settings.ring_bytes, settings.ring_age_s, settings.ring_count)
        since_ns = time.time_ns() - int(settings.read_back_s * 1e9)
        self.index = VerdictIndex(settings.index_bytes, settings.index_age_s, since_ns)

    def begin(self, position: Position, oldest_ns: int | None) -> None:
        self.ring.restart(position)
        if oldest_ns is not None:
            self.index.restart(oldest_ns)

    def take(self, entries: Sequence[Entry], position: Position) -> None:
        now_ns = time.time_ns()
        self.ring.push(entries, position, now_ns)
        for entry in entries:
            self.index.add(entry, now_ns)
        self._metrics.verdicts.inc(len(entries))
        self._metrics.ring_bytes.set(self.ring.num_bytes)

    def caught_up(self) -> None:
        self._serving.set()
        self._has_caught_up = True
        self._report_soon()

    def stand_still(self, standing: bool) -> None:
        """The worker of this process makes no progress, or does again."""
        self._stands_still = standing
        self._report_soon()

    def end(self) -> None:
        self.ring.close()
        self._has_caught_up = False
        self._report_soon()

    async def report(self, *, serving: bool) -> None:
        """Sets the status of the whole server and of the service."""
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in (health.OVERALL_HEALTH, SERVICE):
            await self._health.set(name, status)

    def _report_soon(self) -> None:
        serving = self._has_caught_up and not self._stands_still
        task = asyncio.get_running_loop().create_task(self.report(serving=serving))
        self._reports.add(task)
        task.add_done_callback(self._reports.discard)


def check_exposure(settings: GatewaySettings) -> None:
    """Raises GatewayError where verdicts would leave the machine in clear text unasked."""
    if settings.tls is None and not settings.allow_insecure and not is_loopback(settings.listen):
        raise GatewayError(
            f"listen is {settings.listen!r}, which is reachable from outside, without TLS: configure a certificate, "
            "listen on 127.0.0.1, or set allow_insecure where the network is protected otherwise"
        )


def _server(settings: GatewaySettings) -> tuple[grpc.aio.Server, int]:
    size = settings.max_message_bytes
    options = [
        ("grpc.max_receive_message_length", size),
        ("grpc.max_send_message_length", size),
        ("grpc.so_reuseport", 0),
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ]
    server = grpc.aio.server(
        interceptors=[UnreadableRequests()], options=options, maximum_concurrent_rpcs=settings.max_calls
    )
    try:
        if settings.tls is None:
            return server, server.add_insecure_port(settings.listen)
        return server, server.add_secure_port(settings.listen, _credentials(settings.tls))
    except RuntimeError as exc:
        raise GatewayError(f"cannot listen on {settings.listen} ({exc}): choose a free address") from exc


def _credentials(tls: TlsFiles) -> grpc.ServerCredentials:
    try:
        client_ca = None if tls.client_ca is None else tls.client_ca.read_bytes()
        pair = (tls.key.read_bytes(), tls.cert.read_bytes())
    except OSError as exc:
        raise GatewayError(f"a TLS file cannot be read ({exc}): correct its path or its rights") from exc
    return grpc.ssl_server_credentials([pair], root_certificates=client_ca, require_client_auth=client_ca is not None)
