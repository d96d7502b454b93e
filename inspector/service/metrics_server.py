"""Serves metrics over HTTP with limits on connections, request size and time; and `/health` for a worker without a
gateway: 200 while the line runs, 503 while it stands still.

The server of prometheus_client gives every connection a thread and waits for its request indefinitely: 995 of them
took all descriptors of the process, and the gateway stopped answering.
"""

import asyncio
import gzip
import logging
import socket
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import Self

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from inspector.gateway.certificates import Certificates, TlsFiles, tls_context

log = logging.getLogger("inspector.worker.metrics")

MAX_CONNECTIONS = 128
"""One more closes the oldest connection without a complete request, or else the oldest: a scrape takes milliseconds."""
BACKLOG, ACCEPTED_AT_ONCE = 1024, 16
"""A full queue delays a scrape for seconds; connections accepted at once need as many open files."""
MAX_REQUEST_BYTES = 8 * 2**10
MAX_SWALLOWED_BYTES = 2**20
"""Of a request that is refused for its size."""
SWALLOW_PAUSE_S = 0.2
LIFE_S = 5.0
RENEWAL_S = 10.0
"""How often the certificate files are checked for renewal."""
_STATUS = {
    200: "OK",
    400: "Bad Request",
    405: "Method Not Allowed",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}


class MetricsError(Exception):
    """The metrics cannot be served as configured; the message says what to change."""


class MetricsServer:
    """A thread with its own event loop from `start` to `stop`, or a context manager."""

    def __init__(
        self, listen: str, registry: CollectorRegistry, tls: TlsFiles | None = None, table: str = "[metrics]"
    ) -> None:
        """`listen` is host:port, from `table` of the configuration; port 0 takes a free one. Raises
        CertificateError."""
        self._table = table
        self._listen, self._registry, self._tls = listen, registry, tls
        self._certificates = None if tls is None else Certificates(tls)
        self._context = None if tls is None else tls_context(tls)
        self._listening: Future[int] = Future()
        self._stands_still = False
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._answers: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._complete: set[asyncio.Task[None]] = set()
        """Those with a complete request."""
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Returns once it listens. Raises MetricsError."""
        self._thread.start()
        self._listening.result(30.0)

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join()

    def line_stands_still(self, standing: bool) -> None:
        """Sets the answer of `/health`. Thread-safe."""
        self._stands_still = standing

    @property
    def port(self) -> int:
        return self._listening.result(0)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        except OSError as exc:
            message = f"cannot serve metrics at {self._listen} ({exc}): choose a free address in {self._table} listen"
            self._listening.set_exception(MetricsError(message))
        finally:
            if not self._listening.done():
                self._listening.set_exception(
                    MetricsError("the metrics ended before they listened: see the trace above")
                )

    async def _serve(self) -> None:
        listening = _listening_socket(self._listen)
        handshake_s = None if self._context is None else LIFE_S
        server = await asyncio.start_server(
            self._admit,
            sock=listening,
            limit=MAX_REQUEST_BYTES,
            ssl=self._context,
            ssl_handshake_timeout=handshake_s,
            backlog=ACCEPTED_AT_ONCE,
        )
        listening.listen(BACKLOG)  # asyncio accepts as many at once as `backlog` says
        async with server:
            self._listening.set_result(listening.getsockname()[1])
            while not await self._ended(RENEWAL_S):
                self._renew()
            for answer in list(self._answers):
                self._cut_off(answer)

    async def _ended(self, limit_s: float) -> bool:
        try:
            async with asyncio.timeout(limit_s):
                await self._end.wait()
        except TimeoutError:
            return False
        return True

    def _renew(self) -> None:
        """Invalid files were refused earlier."""
        if self._certificates is not None and self._certificates.renewed():
            assert self._tls is not None and self._context is not None, "come together"  # noqa: S101, PT018
            self._context.load_cert_chain(self._tls.cert, self._tls.key)

    def _admit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._answers) >= MAX_CONNECTIONS:
            unread = (answer for answer in self._answers if answer not in self._complete)
            self._cut_off(next(unread, next(iter(self._answers))))
        answer = self._loop.create_task(self._answer(reader, writer))
        self._answers[answer] = writer
        answer.add_done_callback(self._forget)

    def _forget(self, answer: asyncio.Task[None]) -> None:
        self._answers.pop(answer, None)
        self._complete.discard(answer)

    def _cut_off(self, answer: asyncio.Task[None]) -> None:
        """Not in the task, which never runs if it has not begun."""
        self._answers.pop(answer).transport.abort()
        answer.cancel()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(LIFE_S):
                writer.write(await self._response(reader))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            log.debug("A connection ended without a complete request or did not accept its answer.")
        finally:
            writer.transport.abort()

    async def _response(self, reader: asyncio.StreamReader) -> bytes:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            await _swallow(reader)
            return _framed(431, "text/plain", b"")
        if (answer := asyncio.current_task()) is not None:
            self._complete.add(answer)
        lines = head.decode("latin-1").split("\r\n")
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
        }
        match lines[0].split(" "):
            case ["GET", "/health", version] if version.startswith("HTTP/1."):
                return self._health()
            case ["GET", _, version] if version.startswith("HTTP/1."):
                return self._metrics(headers)
            case [_, _, version] if version.startswith("HTTP/1."):
                return _framed(405, "text/plain", b"", "Allow: GET\r\n")
        return _framed(400, "text/plain", b"")

    def _health(self) -> bytes:
        if self._stands_still:
            return _framed(503, "text/plain", b"the line stands still: see the log of this process\n")
        return _framed(200, "text/plain", b"ok\n")

    def _metrics(self, headers: dict[str, str]) -> bytes:
        encode, kind = choose_encoder(headers.get("accept", ""))
        body: bytes = encode(self._registry)
        if "gzip" in headers.get("accept-encoding", ""):
            return _framed(200, kind, gzip.compress(body, 1), "Content-Encoding: gzip\r\n")
        return _framed(200, kind, body)


async def _swallow(reader: asyncio.StreamReader) -> None:
    """Reads what the client is still sending, within bounds: with bytes unread the connection would be reset before the
    client has the answer."""
    with suppress(TimeoutError):
        for _ in range(MAX_SWALLOWED_BYTES // MAX_REQUEST_BYTES):
            async with asyncio.timeout(SWALLOW_PAUSE_S):
                if not await reader.read(MAX_REQUEST_BYTES):
                    return


def _listening_socket(listen: str) -> socket.socket:
    """Raises OSError."""
    host, _, port = listen.rpartition(":")
    family, _, _, _, address = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0]
    return socket.create_server(address[:2], family=family, backlog=BACKLOG)


def _framed(status: int, kind: str, body: bytes, headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status} {_STATUS[status]}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}{headers}Connection: close\r\n\r\n".encode() + body
