"""Paces attempts while something is away, and says which failures are worth a log line."""

import time
from collections.abc import Callable


class Retries:
    """For one thread. Delays double from `first_s` to `max_s`; the first failure is logged, then one per `remind_s`."""

    def __init__(
        self, first_s: float, max_s: float, remind_s: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._first_s, self._max_s, self._remind_s, self._monotonic = first_s, max_s, remind_s, monotonic
        self._delay_s = first_s
        self._logged_s: float | None = None

    def is_due(self) -> bool:
        """Call it for each failure: whether this one is to be logged."""
        now_s = self._monotonic()
        if self._logged_s is not None and now_s - self._logged_s < self._remind_s:
            return False
        self._logged_s = now_s
        return True

    def next_delay_s(self) -> float:
        """The wait before the next attempt."""
        delay_s, self._delay_s = self._delay_s, min(2 * self._delay_s, self._max_s)
        return delay_s

    def begin_again(self) -> None:
        """Something worked, though not all of it: the next delay is the first."""
        self._delay_s = self._first_s

    def worked(self) -> bool:
        """Whether a failure was logged since it last worked, so that its end is worth a line."""
        was_logged, self._logged_s = self._logged_s is not None, None
        self.begin_again()
        return was_logged
