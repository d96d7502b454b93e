"""Limits the event streams: a number for all, one for each host and for each signed-in person. Used in the event loop
only."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.exceptions import HTTPException

from inspector.web.metrics import WebMetrics
from inspector.web.settings import WebSettings


class StreamPlaces:
    """Counts the open streams."""

    def __init__(self, settings: WebSettings, metrics: WebMetrics) -> None:
        self._settings, self._metrics = settings, metrics
        self._by_host: Counter[str] = Counter()
        self._by_person: Counter[str] = Counter()

    @property
    def num_open(self) -> int:
        return self._by_host.total()

    @contextmanager
    def occupy(self, host: str, person: str = "") -> Iterator[None]:
        """Raises HTTPException (503, 429) when all places of the server, the host or the person are taken. `person` is
        empty where nobody is signed in."""
        self._check(host, person)
        self._by_host[host] += 1
        self._by_person[person] += 1
        self._metrics.streams.set(self.num_open)
        try:
            yield
        finally:
            _leave(self._by_host, host)
            _leave(self._by_person, person)
            self._metrics.streams.set(self.num_open)

    def count_cut_off(self) -> None:
        self._metrics.cut_offs.inc()

    def _check(self, host: str, person: str) -> None:
        limits = self._settings
        if self.num_open >= limits.max_streams:
            self._metrics.refused.inc()
            detail = f"{limits.max_streams} browsers watch already. Close one, or raise [web] max_streams."
            raise HTTPException(503, detail, {"retry-after": "5"})
        if self._by_host[host] >= limits.max_streams_per_host:
            self._metrics.refused.inc()
            detail = (
                f"{limits.max_streams_per_host} browsers of this host watch already; see [web] max_streams_per_host."
            )
            raise HTTPException(429, detail, {"retry-after": "5"})
        if person and self._by_person[person] >= limits.max_streams_per_person:
            self._metrics.refused.inc()
            detail = f"{person} has {limits.max_streams_per_person} browsers that watch: close one."
            raise HTTPException(429, detail, {"retry-after": "5"})


def _leave(counts: Counter[str], name: str) -> None:
    counts[name] -= 1
    if not counts[name]:
        del counts[name]
