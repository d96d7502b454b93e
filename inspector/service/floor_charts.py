"""The charts' part of the floor: counts stored verdicts for charts, in a thread of its own."""

import logging
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from threading import Event, Thread

from prometheus_client import CollectorRegistry, Counter

from inspector.archive.chart_counts import ChartCounter, run
from inspector.archive.database import DatabaseError
from inspector.archive.opening import open_database
from inspector.config.service import Service

log = logging.getLogger("inspector.service.charts")


@contextmanager
def charts_part(service: Service, registry: CollectorRegistry, stop: Event) -> Iterator[None]:
    """Counts from its entry to its exit. Raises ConfigError."""
    if not service.config.archive.enabled:
        yield
        return
    ended = Event()
    with closing(open_database(service.path, service.config.archive.settings)) as database:
        counted = Counter("inspector_archive_chart_verdicts", "Verdicts counted for charts", registry=registry)
        arguments = (ChartCounter(database), ended, counted.inc)
        thread = Thread(target=_run, args=arguments, name="charts", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _run(counter: ChartCounter, ended: Event, on_counted: Callable[[int], None]) -> None:
    """The archive's part ends the floor for the same reason; charts alone do not."""
    try:
        run(counter, ended, on_counted)
    except DatabaseError as error:
        log.error("Charts are no longer counted: %s", error)  # noqa: TRY400
    except Exception:
        log.exception("Charts are no longer counted, by an error of this program. Start the floor again.")
