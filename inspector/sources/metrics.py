"""The counts of a source as a metric for Prometheus."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from inspector.sources.target import Target

Read = Callable[[], Mapping[str, float]]
_LABELS = ("line", "station", "source", "what")


class SourceCollector(Collector):
    """Reads the counts of a running source at each scrape, from another thread: numbers that only grow."""

    def __init__(self, target: Target, source: str, read: Read) -> None:
        self._place, self._read = (target.topics.line, target.station, source), read

    def describe(self) -> Iterable[CounterMetricFamily]:
        yield CounterMetricFamily(
            "inspector_source_events",
            "Published pieces, files, pictures, chunks and seconds of sound, and what was missing, refused or lost; "
            "served by `inspector source ... --metrics HOST:PORT`",
            labels=_LABELS,
        )

    def collect(self) -> Iterable[CounterMetricFamily]:
        (family,) = self.describe()
        for what, value in self._read().items():
            family.add_metric((*self._place, what), value)
        yield family
