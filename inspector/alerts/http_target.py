"""Talks to an HTTP server within a time limit that nobody at the other end can stretch."""

import contextlib
import socket
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from threading import Timer
from urllib.parse import urlsplit

from inspector.alerts.sending import DeliveryError, RefusedError, read_secret, tls_context
from inspector.alerts.settings import Secret, TlsClient

NEVER = frozenset({400, 413, 415, 422})
"""Answers that are about the event itself. All others are retried: a wrong token or address can be corrected."""
MAX_ANSWER_BYTES = 2**18


class HttpTarget:
    """One server. Opens a connection for each request: alerts are rare."""

    def __init__(self, url: str, token: Secret | None, tls: TlsClient | None, timeout_s: float) -> None:
        self._parts, self._token, self._tls, self._timeout_s = urlsplit(url), token, tls, timeout_s

    @property
    def name(self) -> str:
        """Without path and query, which may be secret."""
        return f"{self._parts.scheme}://{self._parts.netloc}"

    def post(self, body: str, headers: Mapping[str, str] | None = None, below: str = "") -> None:
        """Posts JSON to the address, or to a path below it. Redirects are not followed. Raises DeliveryError,
        RefusedError."""
        given = {"Content-Type": "application/json", **(headers or {})}
        status, _ = self._exchange("POST", below, body.encode(), given, 0)
        if status in NEVER:
            raise RefusedError(f"{self.name} answers {status}")
        self._check(status)

    def get(self, below: str) -> bytes:
        """The first part of the answer from a path below the address. Raises DeliveryError."""
        status, answer = self._exchange("GET", below, None, {}, MAX_ANSWER_BYTES)
        self._check(status)
        return answer

    def _check(self, status: int) -> None:
        if not 200 <= status < 300:
            raise DeliveryError(f"{self.name} answers {status}")

    def _exchange(
        self, method: str, below: str, body: bytes | None, headers: dict[str, str], max_bytes: int
    ) -> tuple[int, bytes]:
        if self._token is not None:
            headers["Authorization"] = f"Bearer {read_secret(self._token)}"
        connection = self._connection()
        try:
            connection.connect()
            with _cut_off(connection.sock, self._timeout_s):
                connection.request(method, self._path(below), body, {"User-Agent": "inspector", **headers})
                answer = connection.getresponse()
                return answer.status, answer.read(max_bytes) if max_bytes else b""
        except (OSError, HTTPException, ValueError) as exc:
            raise DeliveryError(f"{self.name}: {exc or type(exc).__name__}") from exc
        finally:
            connection.close()

    def _path(self, below: str) -> str:
        path = f"{self._parts.path.rstrip('/')}/{below}" if below else self._parts.path or "/"
        return f"{path}?{self._parts.query}" if self._parts.query else path

    def _connection(self) -> HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "https":
            return HTTPSConnection(host, port, timeout=self._timeout_s, context=tls_context(self._tls))
        return HTTPConnection(host, port, timeout=self._timeout_s)


@contextlib.contextmanager
def _cut_off(connected: socket.socket, limit_s: float) -> Iterator[None]:
    """The timeout of a socket holds for each single read, so that a slow answer could take forever."""

    def cut() -> None:
        with contextlib.suppress(OSError):
            connected.shutdown(socket.SHUT_RDWR)

    timer = Timer(limit_s, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
