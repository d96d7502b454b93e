"""Runs a command as a child process that is started again when it ends, and ends with this process, even by a kill."""

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Self

log = logging.getLogger("inspector.service.child")

FIRST_DELAY_S, MAX_DELAY_S = 1.0, 60.0
HEALTHY_S = 60.0
"""A child that ran for this long is started again after the first delay."""
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
        self._stop.set()
        with self._lock:
            process = self._process
        if process is not None:
            _end(process)
        self._thread.join(STOP_S)

    @property
    def pid(self) -> int | None:
        """Of the running child."""
        with self._lock:
            return None if self._process is None else self._process.pid

    def _supervise(self) -> None:
        delay_s = FIRST_DELAY_S
        while process := self._start():
            started_s = time.monotonic()
            with process:
                status = process.wait()
            if self._stop.is_set():
                return
            delay_s = FIRST_DELAY_S if time.monotonic() - started_s > HEALTHY_S else delay_s
            log.warning("The %s ended with status %d; starts again in %.0f s. The line is not affected. %s",
                        self._name, status, delay_s, self._remedy)  # fmt: skip
            self._stop.wait(delay_s)
            delay_s = min(2 * delay_s, MAX_DELAY_S)

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
    if process.stdin is not None:
        process.stdin.close()
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
