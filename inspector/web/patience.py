"""Closes connections that occupy a place and do nothing: uvicorn itself waits for ever."""

import asyncio
from collections import Counter
from typing import ClassVar

from inspector.gateway.callers import host_of
from inspector.web.client_names import NamingProtocol
from inspector.web.settings import WebSettings

LEAST_BYTES = 4096
"""A client that takes in less than this of an answer in `send_timeout_s` is cut off."""


def client_host(client: tuple[str, int] | None) -> str:
    """Whom the page's limits count a client as: its address, for IPv6 its network."""
    return "unknown" if client is None else host_of(f"ip:[{client[0]}]:0")


class PatientProtocol(NamingProtocol):
    """Connections of one server: each sends a whole request head within `request_timeout_s` after it was made and after
    each answer, takes in its answers, and shares its address with at most `max_connections_per_host`."""

    settings: ClassVar[WebSettings]
    by_host: ClassVar[Counter[str]]
    """Connections of each host."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._host = client_host(self.client)
        self.by_host[self._host] += 1
        self._idle_s = self._moved_s = self.loop.time()
        self._waiting_bytes = 0
        self._look_later()
        if self.by_host[self._host] > self.settings.max_connections_per_host:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        self.by_host[self._host] -= 1
        if not self.by_host[self._host]:
            del self.by_host[self._host]
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        self._idle_s = self.loop.time()
        super().on_response_complete()

    def _look_later(self) -> None:
        self._timer = self.loop.call_later(
            min(self.settings.request_timeout_s, self.settings.send_timeout_s), self._look
        )

    def _look(self) -> None:
        self._look_later()
        now_s, waiting = self.loop.time(), self.transport.get_write_buffer_size()
        if not self._waiting_bytes or waiting <= max(0, self._waiting_bytes - LEAST_BYTES):
            self._moved_s, self._waiting_bytes = now_s, waiting
        if now_s - self._moved_s >= self.settings.send_timeout_s:
            self.transport.abort()
        elif self._is_idle and now_s - self._idle_s >= self.settings.request_timeout_s:
            self.transport.close()

    @property
    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete


def patient(settings: WebSettings) -> type[PatientProtocol]:
    """The protocol of one server."""

    class Patient(PatientProtocol):
        by_host: ClassVar[Counter[str]] = Counter()

    Patient.settings = settings
    return Patient
