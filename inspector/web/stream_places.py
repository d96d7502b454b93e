"""Limits the event streams: a number for all, and one for each host. Used in the event loop only."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.exceptions import HTTPException

from inspector.web.metrics import WebMetrics


class StreamPlaces:
    """Counts the open streams."""

    def __init__(self, max_count: int, max_per_host: int, metrics: WebMetrics) -> None:
        self._max_count, self._max_per_host, self._metrics = max_count, max_per_host, metrics
        self._by_host: Counter[str] = Counter()

    @property
    def num_open(self) -> int:
        return self._by_host.total()

    @contextmanager
    def occupy(self, host: str) -> Iterator[None]:
        """Raises HTTPException (503, 429) when all places of the server or of the host are taken."""
        self._check(host)
        self._by_host[host] += 1
        self._metrics.streams.set(self.num_open)
        try:
            yield
        finally:
            self._by_host[host] -= 1
            if not self._by_host[host]:
                del self._by_host[host]
            self._metrics.streams.set(self.num_open)

    def count_cut_off(self) -> None:
        self._metrics.cut_offs.inc()

    def _check(self, host: str) -> None:
        if self.num_open >= self._max_count:
            self._metrics.refused.inc()
            detail = f"{self._max_count} browsers watch already. Close one, or raise [web] max_streams."
            raise HTTPException(503, detail, {"retry-after": "5"})
        if self._by_host[host] >= self._max_per_host:
            self._metrics.refused.inc()
            detail = f"{self._max_per_host} browsers of this host watch already; see [web] max_streams_per_host."
            raise HTTPException(429, detail, {"retry-after": "5"})
