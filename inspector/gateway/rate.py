"""Limits the rate of messages per host and in total."""

import time
from collections import OrderedDict
from collections.abc import Callable

from inspector.access.rate import Bucket
from inspector.gateway.refusal import exhausted

REMEMBERED_HOSTS = 1024


class Rate:
    """`per_s` in total and half of that for each host, in bursts of `burst_s` times as many."""

    def __init__(self, per_s: float, burst_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._host_per_s, self._burst_s, self._clock = per_s / 2, burst_s, clock
        self._all = Bucket(per_s, max(1.0, per_s * burst_s), clock())
        self._hosts: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, host: str) -> None:
        """Raises StatusError with the time to wait."""
        now_s = self._clock()
        bucket = self._hosts.pop(host, None)
        if bucket is None:
            bucket = Bucket(self._host_per_s, max(1.0, self._host_per_s * self._burst_s), now_s)
        self._hosts[host] = bucket
        if len(self._hosts) > REMEMBERED_HOSTS:
            self._hosts.popitem(last=False)
        wait_s = max(bucket.wait_s(now_s), self._all.wait_s(now_s))
        if wait_s > 0:
            raise exhausted(
                f"more than {self._host_per_s:g} feedback messages a second from one client, or "
                f"{2 * self._host_per_s:g} in total: try again in {wait_s:.1f} s"
            )
        bucket.take()
        self._all.take()
