"""Writers of one SQLite file take turns, in the order in which they came.

SQLite itself lets waiting writers try again at random, so that one which writes all the time starves the others. The
parts of a process share one turn for each file; other programs still wait as SQLite lets them.
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class TurnTimeoutError(Exception):
    """The turn did not come in time."""


class Turn:
    """A lock that goes to whoever has waited longest. The thread that has it must not ask again."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._is_taken = False

    @property
    def num_waiting(self) -> int:
        return len(self._waiting)

    @contextmanager
    def taken(self, timeout_s: float) -> Iterator[None]:
        """Raises TurnTimeoutError."""
        self._take(timeout_s)
        try:
            yield
        finally:
            self._pass_on()

    def _take(self, timeout_s: float) -> None:
        with self._mutex:
            if not self._is_taken:
                self._is_taken = True
                return
            called = threading.Event()
            self._waiting.append(called)
        try:
            is_called = called.wait(timeout_s)
        except BaseException:
            if not self._give_up(called):
                self._pass_on()
            raise
        if not is_called and self._give_up(called):
            raise TurnTimeoutError

    def _give_up(self, called: threading.Event) -> bool:
        """False where the turn has come at the last moment."""
        with self._mutex:
            if called.is_set():
                return False
            self._waiting.remove(called)
            return True

    def _pass_on(self) -> None:
        with self._mutex:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._is_taken = False


_lock = threading.Lock()
_turns: dict[Path, Turn] = {}
"""Of the files of this process; they are few, and named by the configuration."""


def turn_of(path: Path) -> Turn:
    """The one turn of this file in this process."""
    with _lock:
        return _turns.setdefault(path.resolve(), Turn())
