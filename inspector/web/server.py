"""Runs the pages: uvicorn in a thread with an event loop of its own."""

import asyncio
import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from inspector.web.hub import Hub
from inspector.web.patience import patient
from inspector.web.settings import WebSettings
from streams.log import Log

log = logging.getLogger("inspector.web")
BACKLOG = 256
END_S = 10.0


class WebError(Exception):
    """The page cannot be served as configured; the message says what to change."""


def listening_socket(listen: str, *, or_free: bool = False) -> socket.socket:
    """A socket at host:port. With `or_free`, at another port of the host where that one is taken. Raises WebError."""
    host, _, port = listen.rpartition(":")
    try:
        return _socket_at(host.strip("[]"), int(port))
    except OSError as error:
        if not or_free:
            raise WebError(
                f"cannot serve the page at {listen} ({error.strerror or error}): choose a free address in [web] listen"
            ) from error
    log.warning("%s is taken, so the page is at another port this time. Set [web] listen to choose one.", listen)
    return _socket_at(host.strip("[]"), 0)


def _socket_at(host: str, port: int) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return socket.create_server(address[:2], family=family, backlog=BACKLOG)


class WebServer:
    """The server of one app at one socket."""

    def __init__(
        self,
        app: ASGIApp,
        listening: socket.socket,
        settings: WebSettings,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._listening = listening
        self._scheme = "http" if tls is None else "https"
        self._server = uvicorn.Server(_configuration(app, settings, tls))
        self._loop = asyncio.new_event_loop()
        self._stopping: asyncio.Task[None] | None = None
        self._over = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)

    @property
    def address(self) -> str:
        host, port = self._listening.getsockname()[:2]
        return f"{self._scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    @contextmanager
    def running(self, hub: Hub, source: Log, over: threading.Event | None = None) -> Iterator[None]:
        """Takes connections, and follows `source` into `hub`, from entry to exit. A server that ends before sets
        `over`; why is raised at the exit."""
        self._over = over or self._over
        hub.start(source, self._loop)
        self._thread.start()
        try:
            yield
        finally:
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._stop, hub)
            self._thread.join(END_S)
        if self._error is not None:
            raise self._error

    def _stop(self, hub: Hub) -> None:
        """The event streams end first; the server waits for open requests."""
        self._stopping = self._loop.create_task(hub.stop())
        self._server.should_exit = True

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._server.serve(sockets=[self._listening]))
        except Exception as error:  # noqa: BLE001 - raised at the exit
            self._error = error
        finally:
            self._over.set()


def _configuration(app: ASGIApp, settings: WebSettings, tls: ssl.SSLContext | None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=patient(settings),
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=settings.max_connections,
        h11_max_incomplete_event_size=settings.max_head_bytes,
        timeout_graceful_shutdown=settings.stop_s,
        ssl_context_factory=None if tls is None else lambda _config, _default: tls,
    )
