"""Limits connections per host, and all of them by the number of open files.

gRPC limits only the total and does not expose connections. So this module finds them among the process's open files
and shuts down those over a host's limit; gRPC sees a disconnected client.
"""

import asyncio
import errno
import logging
import os
import resource
import socket
import stat
from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from inspector.gateway.callers import Caller, host_of

log = logging.getLogger("inspector.gateway.connections")

FILES_FOR_OTHERS = 256
"""Open files reserved for log, metrics, libraries and models."""
GRACE_S = 0.5
"""A new connection is not closed for this long: the first call comes a moment later."""
FLOOD_FACTOR = 4
"""Beyond this many times its limit a host's connections are closed at once."""
LOOK_EVERY_S, FLOODED_EVERY_S = 0.25, 0.05
RETRY_S = 1.0
LOG_EVERY_S = 10.0
REMEMBERED = 8192


class Connection(NamedTuple):
    """One accepted connection, as seen by the operating system."""

    inode: int
    """Increases with every new socket."""
    descriptor: int
    host: str
    port: int


def allowed_connections(max_connections: int) -> int:
    """`max_connections`, or fewer if the limit of open files, raised to its maximum, requires it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard == resource.RLIM_INFINITY or hard >= max_connections + FILES_FOR_OTHERS:
        return max_connections
    allowed = max(16, hard - FILES_FOR_OTHERS)
    log.warning(
        "This process may open only %d files, so the gateway accepts %d connections instead of max_connections = %d. "
        "Raise the limit to %d (ulimit -n, or LimitNOFILE in systemd), or lower max_connections.",
        hard,
        allowed,
        max_connections,
        max_connections + FILES_FOR_OTHERS,
    )
    return allowed


class Calls:
    """Tracks which connections have calls now or had some. Used in the event loop only."""

    def __init__(self) -> None:
        self._active: dict[tuple[str, int], int] = defaultdict(int)
        self._used: OrderedDict[tuple[str, int], None] = OrderedDict()
        """Least recently used first."""

    @contextmanager
    def on(self, caller: Caller) -> Iterator[None]:
        name = (host_of(caller.connection), int(caller.connection.rpartition(":")[2] or 0))
        self._active[name] += 1
        try:
            yield
        finally:
            self._active[name] -= 1
            if not self._active[name]:
                del self._active[name]
            self._used[name] = None
            self._used.move_to_end(name)
            if len(self._used) > REMEMBERED:
                self._used.popitem(last=False)

    def by_use(self, connections: Sequence[Connection]) -> list[Connection]:
        """Connections that never had a call first, oldest first; then those without a call now; then the others."""
        ranks = {name: rank for rank, name in enumerate(self._used, 1)}

        def use(connection: Connection) -> tuple[bool, int, int]:
            name = (connection.host, connection.port)
            return name in self._active, ranks.get(name, 0), connection.inode

        return sorted(connections, key=use)


class ConnectionLimit:
    """Closes connections of a host beyond `max_per_host`, least used first: every 0.25 s, in a flood every 0.05 s."""

    def __init__(self, port: int, max_per_host: int, calls: Calls) -> None:
        self._port, self._max_per_host, self._calls = port, max_per_host, calls
        self._logged_s = -LOG_EVERY_S
        self._seen_s: dict[Connection, float] = {}
        self.num_closed = 0

    async def run(self) -> None:
        """Until it is cancelled."""
        is_flooded = False
        while True:
            await asyncio.sleep(FLOODED_EVERY_S if is_flooded else LOOK_EVERY_S)
            try:
                is_flooded = len(os.listdir(_FILES)) > self._max_per_host and self.close_excess(
                    await asyncio.to_thread(connections_to, self._port)
                )
            except OSError as exc:
                log.warning(
                    "Cannot count connections (%s): the limit per host is not enforced; retrying in %g s.",
                    exc,
                    RETRY_S,
                )
                await asyncio.sleep(RETRY_S)

    def close_excess(self, connections: Sequence[Connection]) -> bool:
        """Closes connections above the limit. Returns whether there were any."""
        num_closed = 0
        by_host = defaultdict[str, list[Connection]](list)
        for connection in connections:
            by_host[connection.host].append(connection)
        now_s = asyncio.get_running_loop().time()
        self._seen_s = {connection: self._seen_s.get(connection, now_s) for connection in connections}
        for host, of_host in by_host.items():
            closed = sum(_shut_down(connection, self._port) for connection in self._excess(of_host, now_s))
            num_closed += closed
            if closed:
                self._log_closed(host, len(of_host), closed, now_s)
        self.num_closed += num_closed
        return num_closed > 0

    def _excess(self, of_host: Sequence[Connection], now_s: float) -> list[Connection]:
        by_use = self._calls.by_use(of_host)
        num_flood = max(0, len(by_use) - FLOOD_FACTOR * self._max_per_host)
        flood, rest = by_use[:num_flood], by_use[num_flood:]
        excess = rest[: max(0, len(rest) - self._max_per_host)]
        return flood + [connection for connection in excess if now_s - self._seen_s[connection] >= GRACE_S]

    def _log_closed(self, host: str, num_held: int, closed: int, now_s: float) -> None:
        if now_s - self._logged_s >= LOG_EVERY_S:
            self._logged_s = now_s
            log.warning(
                "Client host %s held %d connections, %d are allowed: closed the %d least used. Let its clients share "
                "one gRPC channel, or raise max_connections_per_host.",
                host,
                num_held,
                self._max_per_host,
                closed,
            )


_FILES = "/dev/fd"


def connections_to(port: int) -> list[Connection]:
    """The connections that this process has accepted on a port."""
    connections = (_connection(name, port) for name in os.listdir(_FILES))
    return [connection for connection in connections if connection is not None]


def _connection(name: str, port: int) -> Connection | None:
    try:
        with _borrowed(int(name)) as opened:
            return _described(opened, int(name), os.fstat(opened.fileno()).st_ino, port)
    except OSError:  # no socket, not connected, or closed meanwhile
        return None


@contextmanager
def _borrowed(descriptor: int) -> Iterator[socket.socket]:
    """The socket of a descriptor that other code owns. Never closes it or a copy: closing any descriptor of a file
    drops all locks of the process on that file, and SQLite uses such locks. Raises OSError."""
    if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        raise OSError(errno.ENOTSOCK, "no socket")
    opened = socket.socket(fileno=descriptor)
    try:
        yield opened
    finally:
        opened.detach()


def _described(opened: socket.socket, descriptor: int, inode: int, port: int) -> Connection | None:
    if opened.family not in {socket.AF_INET, socket.AF_INET6} or opened.getsockname()[1] != port:
        return None
    address, peer_port = opened.getpeername()[:2]
    return Connection(inode, descriptor, host_of(f"ip:[{address}]:{peer_port}"), peer_port)


def _shut_down(connection: Connection, port: int) -> bool:
    """False if the descriptor now belongs to another file."""
    try:
        with _borrowed(connection.descriptor) as opened:
            inode = os.fstat(opened.fileno()).st_ino
            if _described(opened, connection.descriptor, inode, port) != connection:
                return False
            opened.shutdown(socket.SHUT_RDWR)
    except OSError:
        return False
    return True
