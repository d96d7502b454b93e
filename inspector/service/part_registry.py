"""Metrics of one part of the floor, which are taken out again when the part ends."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.registry import Collector


class PartRegistry(CollectorRegistry):
    """Registers in the floor's registry, and reads all of it. A part that starts again counts from 0."""

    def __init__(self, floor: CollectorRegistry) -> None:
        super().__init__()
        self._floor = floor
        self._mine: list[Collector] = []

    def register(self, collector: Collector) -> None:
        self._floor.register(collector)
        self._mine.append(collector)

    def unregister(self, collector: Collector) -> None:
        self._mine.remove(collector)
        self._floor.unregister(collector)

    def collect(self) -> Iterable[Metric]:
        return self._floor.collect()

    def close(self) -> None:
        for collector in list(self._mine):
            self.unregister(collector)
