"""A server of a test: started on a free port of loopback, killed and started again at will, gone afterwards."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

START_S = 60.0
STOP_S = 20.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def accepts(port: int) -> bool:
    """Whether something listens on this port of loopback."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0):
        return True
    return False


class ServerProcess:
    """One process with a log file. `start`, `stop` or `kill`, and `start` again on the same port and data."""

    def __init__(
        self,
        command: Sequence[str],
        port: int,
        log_file: Path,
        *,
        ready: Callable[[], bool] | None = None,
        user: str | int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`ready`: whether it serves; by default, whether it accepts connections. `user`: who runs it."""
        self.port = port
        self._command, self._log_file, self._user = list(command), log_file, user
        self._ready = ready or (lambda: accepts(port))
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return self._log_file.read_text(errors="replace")

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None, "started"
        return self._process.pid

    def start(self) -> None:
        """Returns when the server is ready. Raises RuntimeError with its log when it does not get there."""
        with self._log_file.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                stdout=output,
                stderr=output,
                user=self._user,
                env=self._environment,
            )
        deadline_s = time.monotonic() + START_S
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                self.kill()
                raise RuntimeError(f"{self._command[0]} did not start:\n{self.log[-2000:]}")
            time.sleep(0.05)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Ends it as an operator would, or by force after a while."""
        if self._process is None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """Ends it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
