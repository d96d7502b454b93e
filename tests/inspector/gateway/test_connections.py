"""How many connections a gateway takes, of one host and in all."""

import fcntl
import logging
import resource
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import grpc
import pytest

from inspector.client.client import Client
from inspector.gateway.callers import Caller
from inspector.gateway.connections import Calls, Connection, ConnectionLimit, allowed_connections, connections_to
from inspector.gateway.server import Gateway
from protos.inspection.v1.service_pb2 import WatchVerdictsRequest
from protos.inspection.v1.service_pb2_grpc import InspectionServiceStub
from tests.waiting import until

Gateways = Callable[..., Gateway]
Clients = Callable[..., Client]


def connect(gateway: Gateway, stack: ExitStack) -> socket.socket:
    address = ("127.0.0.1", port_of(gateway))
    return stack.enter_context(closing(socket.create_connection(address, 5)))


def port_of(gateway: Gateway) -> int:
    return int(gateway.address.rpartition(":")[2])


def test_a_host_is_closed_down_to_its_limit_and_who_calls_keeps_its_connection(
    gateways: Gateways, clients: Clients
) -> None:
    gateway = gateways(max_connections_per_host=20)
    good = clients(gateway)
    watch = InspectionServiceStub(good._channel).WatchVerdicts(WatchVerdictsRequest())
    next(watch)
    with ExitStack() as stack:
        for _ in range(100):
            connect(gateway, stack)
        until(lambda: 0 < len(connections_to(port_of(gateway))) <= 20)
        assert clients(gateway).model().bundle == "demo"
        assert good.model().bundle == "demo"
        assert watch.is_active()
        watch.cancel()


def test_connections_are_bounded_in_all(gateways: Gateways) -> None:
    gateway = gateways(max_connections=10)
    with ExitStack() as stack:
        opened = [connect(gateway, stack) for _ in range(40)]
        until(lambda: sum(_is_closed(connection) for connection in opened) == 30)
        assert len(connections_to(port_of(gateway))) == 10


def _is_closed(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        while connection.recv(4096):
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def test_what_is_no_http2_is_not_kept(gateways: Gateways) -> None:
    gateway = gateways()
    with ExitStack() as stack:
        for _ in range(20):
            connect(gateway, stack).sendall(b"GET / HTTP/1.1\r\n\r\n")
        until(lambda: connections_to(port_of(gateway)) == [])


def test_connections_without_calls_go_first() -> None:
    calls = Calls()
    busy, idle, fresh, old = (Connection(inode, inode, "h", port) for inode, port in ((1, 1), (2, 2), (9, 9), (3, 3)))
    with calls.on(Caller("h", "ipv4:h:2")):
        pass
    calls._used[("h", 2)] = None
    calls._active[("h", 1)] = 1
    assert calls.by_use([busy, idle, fresh, old]) == [old, fresh, idle, busy]


def test_an_old_connection_with_calls_outlives_young_ones_without() -> None:
    """However many there are beyond the limit, and though the young ones have their grace."""
    calls = Calls()
    limit = ConnectionLimit(1, 2, calls)
    good, young = Connection(1, 1, "h", 1), [Connection(n, n, "h", n) for n in range(2, 8)]
    calls._active["h", 1] = 1
    limit._seen_s = {good: 0.0} | dict.fromkeys(young, 100.0)
    assert limit._excess([good, *young], 100.1) == []
    assert limit._excess([good, *young], 101.0) == young[:5]


@pytest.fixture
def limits() -> Iterator[None]:
    """The soft limit of open files, restored; the hard one could not be."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("limits")
def test_the_limit_of_open_files_is_raised_and_said(caplog: pytest.LogCaptureFixture) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard - 1, hard))
    caplog.set_level(logging.WARNING)
    assert allowed_connections(100) == 100
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    assert caplog.text == ""
    assert allowed_connections(hard) == hard - 256
    assert f"Raise the limit to {hard + 256}" in caplog.text


def test_a_channel_of_a_client_is_found_by_its_name(gateways: Gateways) -> None:
    """gRPC and the operating system name a connection equally."""
    gateway = gateways(max_connections_per_host=1)
    with grpc.insecure_channel(gateway.address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        watch = InspectionServiceStub(channel).WatchVerdicts(WatchVerdictsRequest())
        next(watch)
        with ExitStack() as stack:
            for _ in range(5):
                connect(gateway, stack)
            until(lambda: len(connections_to(port_of(gateway))) == 1)
        assert watch.is_active()
        watch.cancel()


def test_looking_at_open_files_leaves_the_locks_of_other_files_alone(gateways: Gateways, tmp_path: Path) -> None:
    """SQLite's locks are the process's: closing any descriptor of the file, a copy too, would lose them."""
    gateway = gateways()
    with (tmp_path / "locked").open("wb") as locked:
        fcntl.lockf(locked, fcntl.LOCK_EX)
        connections_to(port_of(gateway))
        probe = "import fcntl,sys; fcntl.lockf(open(sys.argv[1], 'ab'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
        other = subprocess.run([sys.executable, "-c", probe, tmp_path / "locked"], capture_output=True, check=False)
        assert b"BlockingIOError" in other.stderr
