"""The alerts' part of the floor: follows the verdicts, watches other conditions, and delivers alerts."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from threading import Event, Thread
from typing import Protocol

from prometheus_client import CollectorRegistry

from inspector.alerts.conditions import conditions_of
from inspector.alerts.courier import Courier
from inspector.alerts.desk import AlertDesk
from inspector.alerts.emergency import Emergencies
from inspector.alerts.metrics import AlertMetrics
from inspector.alerts.senders import TargetError, open_sender
from inspector.alerts.sending import Sender
from inspector.alerts.settings import Target
from inspector.alerts.store import AlertStore
from inspector.alerts.watch import FailingArchive, Watch
from inspector.archive.database import Database, DatabaseError
from inspector.archive.opening import open_database
from inspector.config.opening import open_log
from inspector.config.service import Service
from inspector.recipe.problems import ConfigError, Problem
from inspector.service.refused_workers import RefusedWorkers
from inspector.verdicts.follow import follow
from streams.log import Log, LogError

log = logging.getLogger("inspector.service.alerts")

OF_PROBES = (FailingArchive.condition, RefusedWorkers.condition)
END_S = 5.0


class _Runs(Protocol):
    """A thread, or something that has one."""

    def start(self) -> None: ...
    def join(self, timeout_s: float) -> None: ...


@contextmanager
def alerts_part(service: Service, registry: CollectorRegistry, stop: Event) -> Iterator[None]:
    """Raises and delivers alerts until its end. Raises ConfigError, LogError; what ended the following is raised
    at the end, after `stop` was set: LogError, DatabaseError."""
    config = service.config
    if not (config.alerts.enabled and config.archive.enabled):
        yield
        return
    ended = Event()
    with ExitStack() as stack:
        database = stack.enter_context(closing(open_database(service.path, config.archive.settings)))
        source = stack.enter_context(closing(open_log(service.path, config, ended)))
        metrics = AlertMetrics(registry)
        follower = _Follower(service, database, source, metrics, ended, stop)
        threads: list[_Runs] = [follower, *_others(service, database, source, registry, metrics, ended)]
        stack.callback(_join, threads)
        stack.callback(ended.set)
        for thread in threads:
            thread.start()
        yield
    if follower.error is not None:
        raise follower.error


def _join(threads: Sequence[_Runs]) -> None:
    for thread in threads:
        thread.join(END_S)


def _others(
    service: Service,
    database: Database,
    source: Log,
    registry: CollectorRegistry,
    metrics: AlertMetrics,
    ended: Event,
) -> list[_Runs]:
    """What watches without verdicts, and what delivers."""
    settings = service.config.alerts.settings
    desk, emergencies = AlertDesk(database, settings), Emergencies(settings.link)
    workers = RefusedWorkers(service, source, ended)
    watch = Watch(desk, [FailingArchive(registry), workers], emergencies, metrics, ended)
    couriers = [
        Courier(target.name, _sender(service, target, desk), database, emergencies, metrics, ended)
        for target in settings.targets
    ]
    return [workers, watch, *couriers]


def _sender(service: Service, target: Target, desk: AlertDesk) -> Sender:
    """Raises ConfigError."""
    try:
        return open_sender(target, service.config.alerts.settings, desk)
    except TargetError as exc:
        remedy = "install it, or remove the target"
        raise ConfigError([Problem(service.path, "alerts", target.name, str(exc), remedy)]) from exc


class _Follower(Thread):
    """Follows the verdicts; its error stops the whole floor, and with it the process."""

    def __init__(
        self, service: Service, database: Database, source: Log, metrics: AlertMetrics, ended: Event, stop: Event
    ) -> None:
        super().__init__(name="alerts-verdicts", daemon=True)
        settings = service.config.alerts.settings
        desk, conditions = AlertDesk(database, settings), conditions_of(service.recipes, settings)
        self._store = AlertStore(database, desk, conditions, settings.max_charts, metrics, OF_PROBES)
        self._source, self._ended, self._stop_floor = source, ended, stop
        self.error: LogError | DatabaseError | None = None

    def run(self) -> None:
        try:
            follow(self._source, self._store, self._ended, "alerts")
        except (LogError, DatabaseError) as error:
            log.error("The alerts have ended: %s", error)  # noqa: TRY400
            self.error = error
            self._stop_floor.set()
