"""Turns the metrics of every process into a reference page. Registers them, and measures nothing."""

import importlib
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

import inspector
from docs.generator.keys import modules_that_mention
from docs.generator.markdown import page, table

LEAD = (
    "A process serves these at the address of `[metrics] listen`, for Prometheus. Without that table there are none. "
    "A counter's name ends in `_total`; a histogram has `_bucket`, `_sum` and `_count`."
)


@dataclass(frozen=True, slots=True)
class MetricEntry:
    """One metric as a user queries it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


class _Recorder(CollectorRegistry):
    """A registry that lists its collectors."""

    def __init__(self) -> None:
        super().__init__()
        self.collectors: list[Collector] = []

    def register(self, collector: Collector) -> None:
        super().register(collector)
        self.collectors.append(collector)


def pages() -> Iterator[tuple[str, str]]:
    yield "metrics.md", page("Metrics", LEAD, _lines())


def _lines() -> Iterator[str]:
    for title, entries in metrics().items():
        yield from (f"## {title}", "")
        yield from table(
            ("metric", "kind", "labels", "meaning"),
            ((f"`{e.name}`", e.kind, ", ".join(f"`{label}`" for label in e.labels), e.meaning) for e in entries),
        )


def metrics() -> dict[str, list[MetricEntry]]:
    """Every metric, by the part that reports it."""
    by_owner: dict[str, list[MetricEntry]] = {}
    for owner in _owners():
        title = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", owner.__name__.removesuffix("Metrics")).capitalize()
        by_owner[title] = [entry for collector in _collectors(owner) for entry in _entries(collector)]
    return by_owner


def _owners() -> Iterator[type]:
    """Classes that register metrics, and custom collectors, of every module."""
    for name in modules_that_mention(inspector, "from prometheus_client"):
        module = importlib.import_module(name)
        for _, member in inspect.getmembers(module, inspect.isclass):
            if member.__module__ == name and (member.__name__.endswith("Metrics") or Collector in member.__mro__):
                yield member


def _collectors(owner: type) -> list[Collector]:
    """Those that the class registers; a collector of ours describes itself without a process."""
    recorder = _Recorder()
    if Collector in owner.__mro__:
        recorder.register(object.__new__(owner))
    else:
        further = list(inspect.signature(owner).parameters.values())[1:]
        owner(recorder, *([()] * len(further)))
    return recorder.collectors


def _entries(collector: Collector) -> Iterator[MetricEntry]:
    for family in getattr(collector, "describe", list)():
        labels: tuple[str, ...] = getattr(collector, "_labelnames", ()) or getattr(family, "_labelnames", ())
        name = f"{family.name}_total" if family.type == "counter" else family.name
        yield MetricEntry(name, family.type, tuple(labels), family.documentation)
