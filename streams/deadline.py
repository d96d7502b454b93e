"""Turns a time budget into the time that is left of it, for waits of several steps."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point of the monotonic clock: setting the time of day moves no deadline."""

    end_s: float
    monotonic: Callable[[], float] = time.monotonic

    @classmethod
    def after(cls, seconds: float, monotonic: Callable[[], float] = time.monotonic) -> Self:
        return cls(monotonic() + seconds, monotonic)

    @property
    def remaining_s(self) -> float:
        """Never negative, so that it can be slept."""
        return max(0.0, self.end_s - self.monotonic())

    @property
    def is_over(self) -> bool:
        return self.monotonic() >= self.end_s

    def sleep(self, seconds: float) -> None:
        """Sleeps for `seconds`, but not past the deadline."""
        time.sleep(min(seconds, self.remaining_s))
