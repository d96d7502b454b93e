"""Decodes records in a child process, so that a record that crashes the decoder does not end the worker.

`python -m streams.decode.child FD` is the child: it answers records with items over one socket and ends with it.
"""

import ctypes
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from streams.decode.items import Item
from streams.decode.limits import Limits
from streams.decode.records import decode
from streams.records import Record

_SLICE_S = 0.1
_MORE_BYTES = 640 * 2**20
"""Memory for decoding in addition to the libraries: four times the largest image; a small machine has more left."""
_PR_SET_PDEATHSIG = 1
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class ChildDiedError(Exception):
    """The process ended while it decoded a record; the message names the signal or exit code."""


class NoChildError(Exception):
    """The process cannot be started here."""


class DecodingChild:
    """The parent's end."""

    def __init__(self, module: str, start_s: float) -> None:
        """Waits until the child is ready. Raises NoChildError."""
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", module, str(theirs.fileno())]
            try:
                self._process = subprocess.Popen(  # noqa: S603 - fixed command
                    command,
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    env={**os.environ, **_ONE_THREAD},
                    start_new_session=True,  # Ctrl-C must not reach the child, where it would look like a crash
                )
            except OSError as exc:
                ours.close()
                raise NoChildError(str(exc)) from exc
        self._connection = Connection(ours.detach())
        try:
            self._receive(start_s)
        except (ChildDiedError, TimeoutError) as exc:
            self.close()
            raise NoChildError(f"it does not start: {exc}") from exc

    def decode(self, record: Record, limits: Limits, line: str, wait_s: float) -> Item | None:
        """The item; None when it takes longer. Raises ChildDiedError. The child cannot be used after either."""
        try:
            self._connection.send((record, limits, line))
            return self._receive(wait_s)
        except TimeoutError:
            return None
        except OSError as exc:
            raise ChildDiedError(self._death()) from exc

    def close(self) -> None:
        self._connection.close()
        self._process.kill()
        self._process.wait()

    def _receive(self, wait_s: float) -> Item:
        """Counts slices of the wait, not the clock: a suspended process is not slow. Raises TimeoutError,
        ChildDiedError."""
        for _ in range(max(1, round(wait_s / _SLICE_S))):
            if self._connection.poll(_SLICE_S):
                break
        else:
            raise TimeoutError(f"no answer in {wait_s:g} s")
        try:
            item: Item = self._connection.recv()
        except (EOFError, OSError) as exc:
            raise ChildDiedError(self._death()) from exc
        return item

    def _death(self) -> str:
        code = self._process.wait()
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def main(descriptor: int, decode_record: Callable[[Record, Limits, str], Item] = decode) -> None:
    """The child: decodes until the parent closes the socket."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a service manager that signals the group also signals the parent
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # an endless decode must not outlive the worker
    limit = _data_bytes() + _MORE_BYTES
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    connection = Connection(descriptor)
    connection.send("ready")
    while True:
        try:
            record, limits, line = connection.recv()
        except EOFError:
            return
        try:
            connection.send(decode_record(record, limits, line))
        except MemoryError:  # the state of the decoder is undefined after that
            os.abort()


def _data_bytes() -> int:
    """Private memory that this process has mapped."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmData:")) * 1024


if __name__ == "__main__":
    main(int(sys.argv[1]))
