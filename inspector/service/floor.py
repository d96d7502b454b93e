"""The floor: archive, alerts and live page, in a process of their own next to the line.

They follow the log as any client does; a floor that is slow, full or dead never slows a worker. Each part starts, fails
and starts again on its own.
"""

import time
from collections.abc import Sequence
from threading import Event

from prometheus_client import CollectorRegistry

from inspector.config.service import Service
from inspector.service.floor_alerts import alerts_part
from inspector.service.floor_archive import archive_part
from inspector.service.floor_charts import charts_part
from inspector.service.floor_metrics import metrics_part
from inspector.service.floor_recordings import recordings_part
from inspector.service.floor_review import has_desk, review_part
from inspector.service.floor_web import serve_page
from inspector.service.part_runner import FloorMetrics, NamedPart, PartRunner

PARTS: Sequence[NamedPart] = (
    NamedPart("archive", archive_part, lambda service: service.config.archive.enabled),
    NamedPart(
        "recordings",
        recordings_part,
        lambda service: service.config.archive.enabled and service.config.recordings.enabled,
    ),
    NamedPart("charts", charts_part, lambda service: service.config.archive.enabled),
    NamedPart("alerts", alerts_part, lambda service: service.config.archive.enabled and service.config.alerts.enabled),
    NamedPart("review", review_part, has_desk),
    NamedPart("metrics", metrics_part, lambda service: service.config.floor.metrics is not None),
    NamedPart("page", serve_page, lambda service: service.config.web.enabled),
)
END_S = 20.0
"""The parts may take this long to end, together; the process has its own limit."""


def run_floor(service: Service, registry: CollectorRegistry, stop: Event, parts: Sequence[NamedPart] = PARTS) -> None:
    """Runs all parts until `stop` is set. Raises ConfigError, which no later start helps."""
    metrics = FloorMetrics(registry)
    runners = [PartRunner(part, service, registry, metrics, stop) for part in parts if part.is_wanted(service)]
    for runner in runners:
        runner.start()
    stop.wait()
    _end(runners)
    for runner in runners:
        if runner.error is not None:
            raise runner.error


def _end(runners: Sequence[PartRunner]) -> None:
    deadline_s = time.monotonic() + END_S
    for runner in runners:
        runner.ask_to_end()
    for runner in runners:
        runner.join(max(0.0, deadline_s - time.monotonic()))
