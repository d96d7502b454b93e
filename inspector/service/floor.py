"""The floor: archive, alerts and live page, in a process of their own next to the line.

They follow the log as any client does; a floor that is slow, full or dead never slows a worker.
"""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from threading import Event

from prometheus_client import CollectorRegistry

from inspector.config.service import Service
from inspector.service.floor_alerts import alerts_part
from inspector.service.floor_archive import archive_part
from inspector.service.floor_charts import charts_part
from inspector.service.floor_recordings import recordings_part
from inspector.service.floor_review import review_part
from inspector.service.floor_web import serve_page

log = logging.getLogger("inspector.service.floor")

Part = Callable[[Service, CollectorRegistry, Event], AbstractContextManager[None]]
"""Runs one part of the floor from its entry to its exit, in threads of its own."""

PARTS: tuple[Part, ...] = (archive_part, recordings_part, charts_part, alerts_part, review_part, serve_page)
"""In the order of their start."""


def run_floor(service: Service, registry: CollectorRegistry, stop: Event) -> None:
    """Runs all parts until `stop` is set."""
    with ExitStack() as stack:
        for part in PARTS:
            stack.enter_context(part(service, registry, stop))
        stop.wait()
