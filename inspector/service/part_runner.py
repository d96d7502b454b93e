"""Runs one part of the floor, and starts it again when it fails; the other parts continue meanwhile."""

import logging
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import Event, Thread
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Gauge

from inspector.access.audit.protocol import AuditError
from inspector.access.sign_in import AccessSetupError
from inspector.archive.database import DatabaseError
from inspector.archive.recordings.objects import ObjectStoreError
from inspector.config.service import Service
from inspector.gateway.certificates import CertificateError
from inspector.recipe.problems import ConfigError
from inspector.service.metrics_server import MetricsError
from inspector.service.part_registry import PartRegistry
from inspector.service.restarts import run_again
from inspector.verdicts.follow import StoreError
from inspector.web.server import WebError
from streams.log import LogError

log = logging.getLogger("inspector.service.floor")

Part = Callable[[Service, CollectorRegistry, Event], AbstractContextManager[None]]
"""Runs one part from its entry to its exit, in separate threads. The event is the part's: a thread that fails sets
it, and the exit raises why."""
PLAIN_ERRORS = (
    AccessSetupError,
    AuditError,
    CertificateError,
    DatabaseError,
    LogError,
    MetricsError,
    ObjectStoreError,
    StoreError,
    WebError,
)
"""Errors whose message says what to do. The message of any other may hold a statement's values: it is not logged."""


class NamedPart(NamedTuple):
    name: str
    run: Part
    is_wanted: Callable[[Service], bool]
    """Whether the configuration has it."""


class FloorMetrics:
    """Which parts run."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.up = Gauge(
            "inspector_floor_part_up",
            "1 while a part of the floor runs; 0 while it waits to start again.",
            ["part"],
            registry=registry,
        )


class PartRunner:
    """A thread from `start` to `end`. `stop` is the floor's: an error of the configuration sets it."""

    def __init__(
        self, part: NamedPart, service: Service, registry: CollectorRegistry, metrics: FloorMetrics, stop: Event
    ) -> None:
        self._part, self._service, self._registry, self._stop = part, service, registry, stop
        self._up = metrics.up.labels(part.name)
        self._attempt_ends = Event()
        self._thread = Thread(target=self._run, name=f"floor-{part.name}", daemon=True)
        self.error: ConfigError | None = None

    def start(self) -> None:
        self._thread.start()

    def ask_to_end(self) -> None:
        """Once `stop` is set."""
        self._attempt_ends.set()

    def join(self, limit_s: float) -> None:
        self._thread.join(limit_s)

    def _run(self) -> None:
        run_again(self._run_once, self._report, self._stop)

    def _run_once(self) -> Exception | None:
        error = self._attempt()
        if isinstance(error, ConfigError):
            self.error = error
            self._stop.set()
        return error

    def _attempt(self) -> Exception | None:
        """Runs the part until it or the floor ends."""
        self._attempt_ends = ends = Event()
        if self._stop.is_set():
            return None
        metrics = PartRegistry(self._registry)
        try:
            with self._part.run(self._service, metrics, ends):
                self._up.set(1)
                ends.wait()
        except Exception as error:  # noqa: BLE001 - the other parts do not depend on it
            return error
        finally:
            self._up.set(0)
            metrics.close()
        return None

    def _report(self, error: Exception | None, delay_s: float) -> None:
        log.error(
            "The %s of the floor failed: %s. It starts again in %.0f s; the line and the other parts continue.",
            self._part.name, words_of(error), delay_s,
        )  # fmt: skip


def words_of(error: Exception | None) -> str:
    """What happened, without the values of a statement."""
    if error is None:
        return "it ended by itself; the lines above say why"
    if isinstance(error, PLAIN_ERRORS):
        return str(error).rstrip(".")
    places = "".join(traceback.format_tb(error.__traceback__)).rstrip()
    return f"{type(error).__name__}, an error of this program; please report it with these lines:\n{places}\n"
