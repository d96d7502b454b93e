"""Where the page listens, and how connections that send nothing are treated."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Event

import httpx
import pytest
from prometheus_client import CollectorRegistry

from inspector.config.service import load_service
from inspector.recipe.problems import ConfigError
from inspector.service.floor_web import open_page
from inspector.web.server import WebError, listening_socket
from tests.inspector.web.running_line import CONFIG, RECIPE


def config(folder: Path, more: str) -> Path:
    path = folder / "service.toml"
    text = CONFIG.format(recipe=RECIPE, gateway=50051, web=0, more="").partition("[web]")[0]
    path.write_text(text + more, encoding="utf-8")
    return path


def test_a_port_that_is_taken_is_an_error_where_it_was_configured() -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        address = f"127.0.0.1:{occupied.getsockname()[1]}"
        with pytest.raises(WebError, match=r"choose a free address in \[web\] listen"):
            listening_socket(address)


def test_a_default_port_that_is_taken_gives_way_to_a_free_one(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        address = f"127.0.0.1:{occupied.getsockname()[1]}"
        with closing(listening_socket(address, or_free=True)) as free:
            assert free.getsockname()[1] != occupied.getsockname()[1]
    assert "is taken" in caplog.text


def test_other_hosts_need_tls_or_a_clear_word(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has no TLS"):
        load_service(config(tmp_path, '[web]\nlisten = "0.0.0.0:8080"\n'))
    allowed = load_service(
        config(tmp_path, '[web]\nlisten = "0.0.0.0:8080"\nallow_insecure = true\n[access]\nallow_anonymous = true\n')
    )
    assert allowed.config.web.settings.allow_insecure


def test_the_page_of_a_configuration_answers_and_ends(tmp_path: Path) -> None:
    service = load_service(config(tmp_path, '[web]\nlisten = "127.0.0.1:0"\n'))
    with open_page(service, CollectorRegistry(), Event()) as server:
        assert httpx.get(server.address, timeout=60).status_code == 200
        address = server.address
    with pytest.raises(httpx.ConnectError):
        httpx.get(address)


def test_a_connection_without_a_request_is_closed(tmp_path: Path) -> None:
    service = load_service(config(tmp_path, '[web]\nlisten = "127.0.0.1:0"\nrequest_timeout_s = 0.2\n'))
    with open_page(service, CollectorRegistry(), Event()) as server:
        port = int(server.address.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=60) as silent:
            assert silent.recv(1) == b""
        with socket.create_connection(("127.0.0.1", port), timeout=60) as slow:
            slow.sendall(b"GET / HTTP/1.1\r\nHost: ")
            assert slow.recv(1) == b""


def test_a_connection_that_was_used_is_closed_too_where_the_next_request_does_not_come(tmp_path: Path) -> None:
    with small_page(tmp_path, "request_timeout_s = 0.2") as port, connected(port) as slow:
        slow.sendall(b"GET /static/style.css HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /sta")
        while slow.recv(2**16):
            pass


def test_a_client_that_takes_in_nothing_is_cut_off(tmp_path: Path) -> None:
    requests = b"GET /static/style.css HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 500_000
    with (
        small_page(tmp_path, "send_timeout_s = 0.2") as port,
        connected(port) as deaf,
        pytest.raises(ConnectionError),
    ):
        deaf.sendall(requests)


def test_one_host_takes_no_more_connections_than_the_limit(tmp_path: Path) -> None:
    with small_page(tmp_path, "max_connections_per_host = 2") as port:
        with connected(port), connected(port), connected(port) as third, suppress(ConnectionError):
            assert third.recv(1) == b""
        assert httpx.get(f"http://127.0.0.1:{port}/static/style.css", timeout=60).status_code == 200


@contextmanager
def small_page(folder: Path, line: str) -> Iterator[int]:
    service = load_service(config(folder, f'[web]\nlisten = "127.0.0.1:0"\n{line}\n'))
    with open_page(service, CollectorRegistry(), Event()) as server:
        yield int(server.address.rpartition(":")[2])


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=60)
