"""The policy for outages: which failures waiting may end, how long to wait, and the log lines."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from streams.log import LogError, LogLostError

Result = TypeVar("Result")
Errors = tuple[type[Exception], ...]


_MAX_TEXTS = 64
"""Texts of one outage that are remembered."""


class Backoff:
    """Delays that double from `first_s` to `max_s`."""

    def __init__(self, first_s: float, max_s: float) -> None:
        self._first_s, self._max_s = first_s, max_s
        self._next_s = first_s

    def next_s(self) -> float:
        """The delay before the next attempt."""
        delay_s, self._next_s = self._next_s, min(2 * self._next_s, self._max_s)
        return delay_s

    def reset(self) -> None:
        self._next_s = self._first_s


@dataclass(frozen=True, slots=True)
class OutagePolicy:
    first_s: float
    """The first delay; each further one is twice as long."""
    max_s: float
    """The longest delay."""
    remind_s: float = 60.0
    """An outage that lasts is logged again this often."""
    reminder_level: int = logging.WARNING
    errors: Errors = (LogError,)
    """Failures that are waited out."""
    lost: Errors = (LogLostError,)
    """Those among them that waiting does not end."""


class OutageLines(NamedTuple):
    """Texts of the log lines, and their logger."""

    log: logging.Logger
    begins: Callable[[object], str]
    """From the reason: what happened, what happens next, what to do."""
    ends: str


class SharedOutage:
    """Lets several threads that wait for one thing log each text of its outage once, again every `remind_s`, and its
    end once. Thread-safe."""

    def __init__(self, remind_s: float = 60.0) -> None:
        self._remind_s = remind_s
        self._said_s: dict[str, float] = {}
        self._lock = threading.Lock()

    def may_say(self, text: str, now_s: float) -> bool:
        with self._lock:
            last_s = self._said_s.get(text)
            if last_s is not None and now_s - last_s < self._remind_s:
                return False
            if len(self._said_s) >= _MAX_TEXTS:
                self._said_s.clear()
            self._said_s[text] = now_s
            return True

    def ends(self) -> bool:
        """True for the first thread for which the outage is over."""
        with self._lock:
            was_said = bool(self._said_s)
            self._said_s.clear()
            return was_said


class Outage:
    """For one thread. Logs when it begins, every `remind_s` while it lasts, and when it ends; with `shared`, what no
    other thread has logged."""

    def __init__(
        self,
        lines: OutageLines,
        policy: OutagePolicy,
        monotonic: Callable[[], float] = time.monotonic,
        shared: SharedOutage | None = None,
    ) -> None:
        self._lines, self._policy, self._monotonic, self._shared = lines, policy, monotonic, shared
        self._backoff = Backoff(policy.first_s, policy.max_s)
        self._since_s: float | None = None
        self._logged_s: float | None = None

    @property
    def errors(self) -> Errors:
        """For `except`: failures to report to `failed`."""
        return self._policy.errors

    @property
    def is_away(self) -> bool:
        return self._since_s is not None

    @property
    def lasted_s(self) -> float:
        """0 while there is no outage."""
        return 0.0 if self._since_s is None else self._monotonic() - self._since_s

    def begin(self, began_s: float | None = None) -> None:
        """Without a log line: nothing has failed yet."""
        if self._since_s is None:
            self._since_s = self._monotonic() if began_s is None else began_s

    def failed(self, reason: object, began_s: float | None = None, level: int = logging.WARNING) -> float:
        """Returns the delay before the next attempt, in seconds. `began_s`: when the failed attempt began. Raises
        `reason` where waiting does not end it."""
        if isinstance(reason, self._policy.lost):
            raise reason
        self.begin(began_s)
        self._report(reason, level)
        return self._backoff.next_s()

    def _report(self, reason: object, level: int) -> None:
        now_s, logged_s = self._monotonic(), self._logged_s
        if logged_s is not None and now_s - logged_s < self._policy.remind_s:
            return
        self._logged_s = now_s
        text = self._lines.begins(reason)
        if self._shared is not None and not self._shared.may_say(text, now_s):
            return
        if logged_s is None:
            self._lines.log.log(level, "%s", text)
        else:
            level = max(level, self._policy.reminder_level)
            self._lines.log.log(level, "%s The outage has lasted %.0f s.", text, self.lasted_s)

    def progressed(self) -> None:
        """Something worked, though not all of it: the next delay is the first."""
        self._backoff.reset()

    def worked(self) -> None:
        if self._logged_s is not None and (self._shared is None or self._shared.ends()):
            self._lines.log.warning("%s The outage lasted %.1f s.", self._lines.ends, self.lasted_s)
        self._since_s = self._logged_s = None
        self.progressed()


def with_retries(attempt: Callable[[], Result], outage: Outage, budget_s: float) -> Result:
    """Retries until success, for at most `budget_s`; then raises the last failure. Raises others at once."""
    while True:
        began_s = time.monotonic()
        try:
            result = attempt()
        except outage.errors as error:
            delay_s = outage.failed(error, began_s)
            if outage.lasted_s + delay_s >= budget_s:
                raise
            time.sleep(delay_s)
        else:
            outage.worked()
            return result
