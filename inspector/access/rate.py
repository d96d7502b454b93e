"""Limits how often something may happen: token buckets, one for each of a bounded number of names."""

import time
from collections import OrderedDict
from collections.abc import Callable

REMEMBERED = 1024


class Bucket:
    """A token bucket: fills at `per_s` up to `size`."""

    def __init__(self, per_s: float, size: float, now_s: float) -> None:
        self._per_s, self._size, self._level, self._seen_s = per_s, size, size, now_s

    def wait_s(self, now_s: float) -> float:
        """Time until a token is available; 0 if there is one."""
        self._level = min(self._size, self._level + (now_s - self._seen_s) * self._per_s)
        self._seen_s = now_s
        return max(0.0, (1.0 - self._level) / self._per_s)

    def take(self) -> None:
        self._level -= 1.0


class Buckets:
    """A bucket for each name, for the names seen last. Use in one thread or event loop."""

    def __init__(
        self,
        per_s: float,
        size: float,
        clock: Callable[[], float] = time.monotonic,
        remembered: int = REMEMBERED,
    ) -> None:
        self._per_s, self._size, self._clock, self._remembered = per_s, max(1.0, size), clock, remembered
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def wait_s(self, name: str) -> float:
        """Time until this name may; 0 if it may now. Takes nothing."""
        return self._bucket(name).wait_s(self._clock())

    def take(self, name: str) -> float:
        """Takes a token if there is one and returns 0, else the time to wait."""
        bucket = self._bucket(name)
        wait_s = bucket.wait_s(self._clock())
        if wait_s <= 0:
            bucket.take()
        return wait_s

    def _bucket(self, name: str) -> Bucket:
        bucket = self._buckets.pop(name, None) or Bucket(self._per_s, self._size, self._clock())
        self._buckets[name] = bucket
        if len(self._buckets) > self._remembered:
            self._buckets.popitem(last=False)
        return bucket
