"""The alerts' part of the floor: follows the verdicts, watches other conditions, and delivers alerts."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from threading import Event

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
from inspector.alerts.watch import FailingArchive, Probe, RecordingsAtLimit, Watch
from inspector.archive.database import Database
from inspector.archive.opening import open_database
from inspector.config.opening import open_log
from inspector.config.service import Service
from inspector.recipe.problems import ConfigError, Problem
from inspector.service.floor_thread import Work, working
from inspector.service.refused_workers import RefusedWorkers
from inspector.verdicts.follow import follow
from streams.log import Log


@contextmanager
def alerts_part(service: Service, registry: CollectorRegistry, stop: Event) -> Iterator[None]:
    """Raises and delivers alerts until its end. Raises ConfigError, LogError; what ended the following is raised
    at the end, after `stop` was set: LogError, DatabaseError."""
    config = service.config
    if not (config.alerts.enabled and config.archive.enabled):
        yield
        return
    with (
        closing(open_database(service.path, config.archive.settings)) as database,
        closing(open_log(service.path, config, stop)) as source,
    ):
        metrics = AlertMetrics(registry)
        works = {
            "alerts-verdicts": _following(service, database, source, metrics),
            **_others(service, database, source, registry, metrics, stop),
        }
        with working(works, stop):
            yield


def _others(
    service: Service,
    database: Database,
    source: Log,
    registry: CollectorRegistry,
    metrics: AlertMetrics,
    stop: Event,
) -> dict[str, Work]:
    """What watches without verdicts, and what delivers."""
    settings = service.config.alert_settings
    desk, emergencies = AlertDesk(database, settings), Emergencies(settings.link)
    workers = RefusedWorkers(service, source, stop)
    probes: list[Probe] = [FailingArchive(registry), workers]
    if service.config.recordings.enabled:
        probes.append(RecordingsAtLimit(registry))
    watch = Watch(desk, probes, emergencies, metrics, stop)
    couriers = {
        target.name: Courier(target.name, _sender(service, target, desk), database, emergencies, metrics, stop)
        for target in settings.targets
    }
    works: dict[str, Work] = {"alerts-control": lambda _: workers.run(), "alerts-watch": lambda _: watch.run()}
    return works | {f"alerts-to-{name}": _carrying(courier) for name, courier in couriers.items()}


def _carrying(courier: Courier) -> Work:
    return lambda _: courier.run()


def _sender(service: Service, target: Target, desk: AlertDesk) -> Sender:
    """Raises ConfigError."""
    try:
        return open_sender(target, service.config.alert_settings, desk)
    except TargetError as exc:
        remedy = "install it, or remove the target"
        raise ConfigError([Problem(service.path, "alerts", target.name, str(exc), remedy)]) from exc


def _following(service: Service, database: Database, source: Log, metrics: AlertMetrics) -> Work:
    settings = service.config.alert_settings
    desk, conditions = AlertDesk(database, settings), conditions_of(service.recipes, settings)
    of_probes = [FailingArchive.condition, RefusedWorkers.condition]
    if service.config.recordings.enabled:
        of_probes.append(RecordingsAtLimit.condition)
    store = AlertStore(database, desk, conditions, settings.max_charts, metrics, of_probes)
    return lambda ends: follow(source, store, ends, "alerts")
