"""Tries again what the log does not take now, and says so: once, then every minute, and when it works again."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from streams.log import LogUnavailableError

log = logging.getLogger("inspector.streams.embedded")

_SAY_EVERY_S = 60.0
_FIRST_DELAY_S = 0.05
_MAX_DELAY_S = 1.0

Result = TypeVar("Result")


class Outage:
    """`what` is what waits, e.g. "reading"."""

    def __init__(self, what: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._what, self._monotonic = what, monotonic
        self._since_s: float | None = None
        self._said_s = 0.0
        self._delay_s = _FIRST_DELAY_S

    def failed(self, exc: LogUnavailableError, began_s: float | None = None) -> float:
        """`began_s`: when the try began that failed. Returns how long to wait before the next one, in seconds."""
        now_s = self._monotonic()
        if self._since_s is None:
            self._since_s = now_s if began_s is None else began_s
            self._said_s, self._delay_s = now_s, _FIRST_DELAY_S
            log.warning("%s waits, and goes on by itself once it can: %s", self._what, exc)
        elif now_s - self._said_s >= _SAY_EVERY_S:
            self._said_s = now_s
            log.error("%s has waited for %.0f s: %s", self._what, now_s - self._since_s, exc)
        delay_s, self._delay_s = self._delay_s, min(2 * self._delay_s, _MAX_DELAY_S)
        return delay_s

    def worked(self) -> None:
        if self._since_s is not None:
            log.warning("%s goes on after %.1f s", self._what, self._monotonic() - self._since_s)
        self._since_s = None

    def waited_s(self) -> float:
        return 0.0 if self._since_s is None else self._monotonic() - self._since_s


def retried(attempt: Callable[[], Result], outage: Outage, budget_s: float) -> Result:
    """Tries until it works, for at most `budget_s`. Raises LogUnavailableError then, and other LogErrors at once."""
    while True:
        began_s = time.monotonic()
        try:
            result = attempt()
        except LogUnavailableError as exc:
            delay_s = outage.failed(exc, began_s)
            if outage.waited_s() + delay_s >= budget_s:
                raise
            time.sleep(delay_s)
        else:
            outage.worked()
            return result
