"""Retries operations while the log is unavailable. Logs the outage at its beginning, every minute, and at its end."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from streams.log import LogUnavailableError

log = logging.getLogger("inspector.streams.embedded")

_REPEAT_EVERY_S = 60.0
_FIRST_DELAY_S = 0.05
_MAX_DELAY_S = 1.0

Result = TypeVar("Result")


class Outage:
    """`operation` begins the log lines, e.g. "Reading <file>"."""

    def __init__(self, operation: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._operation, self._monotonic = operation, monotonic
        self._since_s: float | None = None
        self._logged_s = 0.0
        self._delay_s = _FIRST_DELAY_S

    def failed(self, exc: LogUnavailableError, began_s: float | None = None) -> float:
        """`began_s`: when the failed attempt began. Returns the delay before the next attempt, in seconds."""
        now_s = self._monotonic()
        if self._since_s is None:
            self._since_s = now_s if began_s is None else began_s
            self._logged_s, self._delay_s = now_s, _FIRST_DELAY_S
            log.warning("%s is interrupted: %s. It is retried and continues without a restart.", self._operation, exc)
        elif now_s - self._logged_s >= _REPEAT_EVERY_S:
            self._logged_s = now_s
            log.error("%s has been interrupted for %.0f s: %s", self._operation, now_s - self._since_s, exc)
        delay_s, self._delay_s = self._delay_s, min(2 * self._delay_s, _MAX_DELAY_S)
        return delay_s

    def worked(self) -> None:
        if self._since_s is not None:
            log.warning(
                "%s continues after an interruption of %.1f s.", self._operation, self._monotonic() - self._since_s
            )
        self._since_s = None

    def waited_s(self) -> float:
        return 0.0 if self._since_s is None else self._monotonic() - self._since_s


def with_retries(attempt: Callable[[], Result], outage: Outage, budget_s: float) -> Result:
    """Retries until success, for at most `budget_s`; then raises LogUnavailableError. Raises other LogErrors at
    once."""
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
