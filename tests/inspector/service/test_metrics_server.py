"""The metrics over HTTP, to Prometheus and to those who only take up connections."""

import gzip
import socket
import ssl
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
import trustme
from prometheus_client import CollectorRegistry, Gauge

from inspector.gateway.certificates import TlsFiles
from inspector.service import metrics_server
from inspector.service.metrics_server import MAX_CONNECTIONS, MetricsError, MetricsServer


@pytest.fixture
def registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    Gauge("answer", "Of everything", registry=registry).set(42)
    return registry


@pytest.fixture
def server(registry: CollectorRegistry) -> Iterator[MetricsServer]:
    with MetricsServer("127.0.0.1:0", registry) as server:
        yield server


def connect(server: MetricsServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), 5)


def answer(server: MetricsServer, request: bytes) -> bytes:
    with closing(connect(server)) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def scrape(server: MetricsServer) -> bytes:
    return answer(server, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")


def test_metrics(server: MetricsServer) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=60) as response:
        assert response.headers["Content-Type"].startswith("text/plain")
        assert b"answer 42.0" in response.read()


def test_health_is_about_the_line(server: MetricsServer) -> None:
    ask = b"GET /health HTTP/1.1\r\n\r\n"
    assert answer(server, ask).startswith(b"HTTP/1.1 200 OK")
    server.line_stands_still(True)
    assert answer(server, ask).startswith(b"HTTP/1.1 503 Service Unavailable")
    server.line_stands_still(False)
    assert answer(server, ask).startswith(b"HTTP/1.1 200 OK")


def test_metrics_compressed(server: MetricsServer) -> None:
    head, _, body = answer(server, b"GET /metrics HTTP/1.1\r\nAccept-Encoding: gzip\r\n\r\n").partition(b"\r\n\r\n")
    assert b"Content-Encoding: gzip" in head
    assert b"answer 42.0" in gzip.decompress(body)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"POST / HTTP/1.1\r\n\r\n", b"405"),
        (b"\x16\x03\x01 \r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 9000 + b"\r\n\r\n", b"431"),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000, b"431"),
    ],
)
def test_what_is_no_scrape_is_refused(server: MetricsServer, request_bytes: bytes, status: bytes) -> None:
    assert answer(server, request_bytes).startswith(b"HTTP/1.1 " + status)


def test_a_request_without_end_is_refused_and_read_within_bounds(server: MetricsServer) -> None:
    """Twice as much as is read after the refusal: the rest meets a closed connection."""
    with closing(connect(server)) as connection:
        connection.settimeout(20)
        with suppress(ConnectionError):
            connection.sendall(b"GET / HTTP/1.1\r\nX: " + b"a" * (2 * metrics_server.MAX_SWALLOWED_BYTES))
            assert connection.recv(12) in (b"", b"HTTP/1.1 431")
    assert b"answer 42.0" in scrape(server)


def test_connections_are_bounded_and_a_scrape_comes_through(server: MetricsServer) -> None:
    """300 connections that begin a request and never end it: all but the last few are ended by those behind them."""
    with ExitStack() as stack:
        slow = [stack.enter_context(closing(connect(server))) for _ in range(300)]
        for connection in slow:
            with suppress(ConnectionError):  # it may be ended already
                connection.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
        assert b"answer 42.0" in scrape(server)
        assert len(server._answers) <= MAX_CONNECTIONS
        slow[0].settimeout(5)
        with suppress(ConnectionResetError):  # ended with bytes unread
            assert slow[0].recv(1) == b""
        assert b"answer 42.0" in scrape(server)


def test_a_request_that_does_not_come_is_not_waited_for(server: MetricsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_server, "LIFE_S", 0.1)
    with closing(connect(server)) as connection:
        began_s = time.monotonic()
        assert connection.recv(1) == b""
        assert time.monotonic() - began_s < 3


def test_a_busy_port_is_said(server: MetricsServer, registry: CollectorRegistry) -> None:
    with pytest.raises(MetricsError, match=r"choose a free address in \[metrics\] listen"):
        MetricsServer(f"127.0.0.1:{server.port}", registry).start()


def issue(authority: trustme.CA, folder: Path) -> None:
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(folder / "key")
    issued.cert_chain_pems[0].write_to_path(folder / "cert")


def handshake(server: MetricsServer, authority: trustme.CA) -> bytes:
    client = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
    with closing(client.wrap_socket(connect(server), server_hostname="127.0.0.1")) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return connection.recv(15)


def test_tls_and_its_renewal(registry: CollectorRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_server, "RENEWAL_S", 0.02)
    first, second = trustme.CA(), trustme.CA()
    issue(first, tmp_path)
    with MetricsServer("127.0.0.1:0", registry, TlsFiles(tmp_path / "cert", tmp_path / "key")) as server:
        assert handshake(server, first) == b"HTTP/1.1 200 OK"
        assert b"answer" not in scrape(server)
        issue(second, tmp_path)
        deadline_s = time.monotonic() + 60
        while time.monotonic() < deadline_s:
            try:
                assert handshake(server, second) == b"HTTP/1.1 200 OK"
            except ssl.SSLError:
                continue
            return
    raise AssertionError("the renewed certificate is not used")
