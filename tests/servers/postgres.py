"""A real PostgreSQL server on a free port of loopback, with a password."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.servers.process import ServerProcess, free_port
from tests.servers.programs import required

USER, PASSWORD = "inspector", "not-a-secret"


class Postgres:
    """`start`, `stop`, `kill`, `standing_still`; databases are made by `create_database`."""

    def __init__(self, folder: Path, *, outlives_power: bool = True) -> None:
        self.port = free_port()
        self._count = 0
        self._prepared: dict[Callable[[str], None], str] = {}
        # PostgreSQL refuses to run as root.
        self._user = "postgres" if os.geteuid() == 0 else None
        self._data = folder / "data"
        _initialise(folder, self._data, self._user)
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "shared_buffers": "64MB",
            "max_connections": "60",
            "fsync": "on" if outlives_power else "off",
        }
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [str(required("postgresql").with_name("postgres")), "-D", str(self._data), *flags]
        self._server = ServerProcess(command, self.port, folder / "log", ready=self._answers, user=self._user)

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        """Ends all connections and the server at once, without losing what was committed."""
        self._server.stop(signal.SIGINT)

    def kill(self) -> None:
        """Ends the server without a chance to write anything."""
        self._server.stop(signal.SIGQUIT)

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Its processes do nothing, while the kernel still takes what is sent to them."""
        pids = [self._server.pid]
        os.kill(self._server.pid, signal.SIGSTOP)
        try:
            pids += _children(self._server.pid)
            for pid in pids[1:]:
                os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def create_database(self, prepare: Callable[[str], None] | None = None) -> str:
        """Makes a database and returns its address for SQLAlchemy. It is empty, or a copy of one that `prepare` filled,
        which is called once with the address."""
        return self._url(self._create("template1" if prepare is None else self._template(prepare)))

    def _template(self, prepare: Callable[[str], None]) -> str:
        if prepare not in self._prepared:
            name = self._create("template1")
            prepare(self._url(name))
            self._prepared[prepare] = name
        return self._prepared[prepare]

    def _create(self, template: str) -> str:
        self._count += 1
        name = f"test_{self._count}"
        import psycopg

        with psycopg.connect(self._dsn("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        return name

    def _url(self, database: str) -> str:
        return f"postgresql+psycopg://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def _dsn(self, database: str) -> str:
        return f"host=127.0.0.1 port={self.port} user={USER} password={PASSWORD} dbname={database} connect_timeout=2"

    def _answers(self) -> bool:
        import psycopg

        try:
            with psycopg.connect(self._dsn("postgres")):
                return True
        except psycopg.OperationalError:
            return False


def _children(pid: int) -> list[int]:
    listed = subprocess.run(["pgrep", "-P", str(pid)], check=True, capture_output=True, text=True)
    return [int(line) for line in listed.stdout.split()]


def _initialise(folder: Path, data: Path, user: str | None) -> None:
    folder.chmod(0o755)
    data.mkdir(mode=0o700)
    password = folder / "password"
    password.write_text(PASSWORD)
    if user is not None:
        for path in (data, password, folder):
            shutil.chown(path, user, user)
    command = [str(required("postgresql")), "-D", str(data), "-U", USER, "--auth=scram-sha-256", "--no-sync"]
    options = [f"--pwfile={password}", "--encoding=UTF8", "--locale=C.UTF-8"]
    subprocess.run([*command, *options], check=True, stdout=subprocess.DEVNULL, user=user, cwd="/")


@contextmanager
def running_postgres(*, outlives_power: bool = True) -> Iterator[Postgres]:
    """Its folder is not one of pytest's, where no other user may enter. Tests that kill processes only have no need
    that it outlives a loss of power, for which it waits for the disk."""
    with tempfile.TemporaryDirectory(prefix="inspector-postgres-") as folder:
        server = Postgres(Path(folder), outlives_power=outlives_power)
        server.start()
        try:
            yield server
        finally:
            server.stop()
