"""The charts' part of the floor: counts stored verdicts for charts, in a thread of its own."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from threading import Event

from prometheus_client import CollectorRegistry, Counter

from inspector.archive.chart_counts import ChartCounter, run
from inspector.archive.opening import open_database
from inspector.config.service import Service
from inspector.service.floor_thread import working


@contextmanager
def charts_part(service: Service, registry: CollectorRegistry, stop: Event) -> Iterator[None]:
    """Counts from its entry to its exit. Raises ConfigError; DatabaseError at the end."""
    if not service.config.archive.enabled:
        yield
        return
    with closing(open_database(service.path, service.config.archive.settings)) as database:
        counted = Counter("inspector_archive_chart_verdicts", "Verdicts counted for charts", registry=registry)
        with working({"charts": lambda ends: run(ChartCounter(database), ends, counted.inc)}, stop):
            yield
