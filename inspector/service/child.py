"""Runs a command as a child process that is started again when it ends, and ends with this process, even by a kill."""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Self

from inspector.service.restarts import run_again

log = logging.getLogger("inspector.service.child")

STOP_S = 5.0
NICENESS = 5
"""Where cores are short, the line comes first."""


class Child:
    """A supervised child process. It reads its standard input, which ends with this process, and stops then."""

    def __init__(self, name: str, arguments: Sequence[str], remedy: str) -> None:
        """`arguments` of `inspector`; `remedy` says what to do when the child keeps ending."""
        self._name, self._arguments, self._remedy = name, list(arguments), remedy
        self._stop = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._supervise, name=f"{name} supervisor", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Asks the child to stop, and kills it after `STOP_S`."""
        self.ask_to_stop()
        with self._lock:
            process = self._process
        if process is not None:
            _end(process)
        self._thread.join(STOP_S)

    def ask_to_stop(self) -> None:
        """Returns at once; the child is not started again."""
        with self._lock:
            self._stop.set()
            if self._process is not None and self._process.stdin is not None:
                with suppress(OSError):
                    self._process.stdin.close()

    def stops_with(self, stop: threading.Event) -> None:
        """Asks the child to stop as soon as `stop` is set."""

        def ask() -> None:
            stop.wait()
            self.ask_to_stop()

        threading.Thread(target=ask, name=f"{self._name} stop", daemon=True).start()

    @property
    def pid(self) -> int | None:
        """Of the running child."""
        with self._lock:
            return None if self._process is None else self._process.pid

    def _supervise(self) -> None:
        run_again(self._run_once, self._report, self._stop)

    def _report(self, end: str, delay_s: float) -> None:
        log.warning("The %s %s; starts again in %.0f s. The line is not affected. %s",
                    self._name, end, delay_s, self._remedy)  # fmt: skip

    def _run_once(self) -> str:
        """How the child ended; one that cannot be started, as for want of memory, counts as ended."""
        try:
            process = self._start()
        except OSError as error:
            return f"cannot be started ({error})"
        if process is None:
            return "was stopped"
        with process:
            return f"ended with status {process.wait()}"

    def _start(self) -> subprocess.Popen[bytes] | None:
        """None once the child may no longer run."""
        with self._lock:
            if self._stop.is_set():
                return None
            # In a session of its own: Ctrl-C reaches this process alone, which then stops the child.
            command = [sys.executable, "-m", "inspector", *self._arguments]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603
            return self._process


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def give_way() -> None:
    """Lets the worker's processes run first."""
    if hasattr(os, "nice"):
        os.nice(NICENESS)


def stopped_with_parent(stop: threading.Event) -> None:
    """Sets `stop` when the standard input ends, as it does when the process that started this one is gone."""

    def watch() -> None:
        sys.stdin.buffer.read()
        stop.set()

    threading.Thread(target=watch, name="parent", daemon=True).start()
