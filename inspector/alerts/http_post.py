"""Posts JSON within a time limit that nobody at the other end can stretch."""

import contextlib
import socket
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from threading import Timer
from urllib.parse import urlsplit

from inspector.alerts.sending import DeliveryError, RefusedError, read_secret, tls_context
from inspector.alerts.settings import Secret, TlsClient

NEVER = frozenset({400, 413, 415, 422})
"""Answers that are about the event itself. All others are retried: a wrong token or address can be corrected."""


class HttpTarget:
    """One address. Opens a connection for each post: alerts are rare."""

    def __init__(self, url: str, token: Secret | None, tls: TlsClient | None, timeout_s: float) -> None:
        self._parts, self._token, self._tls, self._timeout_s = urlsplit(url), token, tls, timeout_s
        self._path = self._parts.path or "/"
        if self._parts.query:
            self._path += f"?{self._parts.query}"

    @property
    def name(self) -> str:
        """Without path and query, which may be secret."""
        return f"{self._parts.scheme}://{self._parts.netloc}"

    def post(self, body: str, headers: dict[str, str] | None = None) -> None:
        """Redirects are not followed. Raises DeliveryError, RefusedError."""
        given = {"Content-Type": "application/json", "User-Agent": "inspector", **(headers or {})}
        if self._token is not None:
            given["Authorization"] = f"Bearer {read_secret(self._token)}"
        status = self._status(body.encode(), given)
        if status in NEVER:
            raise RefusedError(f"{self.name} answers {status}")
        if not 200 <= status < 300:
            raise DeliveryError(f"{self.name} answers {status}")

    def _status(self, body: bytes, headers: dict[str, str]) -> int:
        connection = self._connection()
        try:
            connection.connect()
            with _cut_off(connection.sock, self._timeout_s):
                connection.request("POST", self._path, body, headers)
                return connection.getresponse().status
        except (OSError, HTTPException, ValueError) as exc:
            raise DeliveryError(f"{self.name}: {exc or type(exc).__name__}") from exc
        finally:
            connection.close()

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
