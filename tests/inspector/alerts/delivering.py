"""Alerts that are raised at will, and couriers that deliver them quickly."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Event

from prometheus_client import CollectorRegistry

from inspector.alerts import rows
from inspector.alerts.alert import Alert
from inspector.alerts.courier import Courier
from inspector.alerts.desk import AlertDesk, Finding
from inspector.alerts.emergency import Emergencies
from inspector.alerts.metrics import AlertMetrics
from inspector.alerts.place import Place
from inspector.alerts.senders import open_sender
from inspector.alerts.settings import AlertSettings, Target
from inspector.archive.database import Database
from tests.threads import running

LIMIT_S = 60.0


class Deliveries:
    """A desk with its couriers."""

    def __init__(self, database: Database, *targets: Target, link: str = "http://page") -> None:
        self.settings = AlertSettings(targets=targets, link=link, tell_within_s=1e12)
        self.database, self.desk = database, AlertDesk(database, self.settings)
        self.registry, self.emergencies = CollectorRegistry(), Emergencies(link)
        self._metrics = AlertMetrics(self.registry)

    @contextmanager
    def running(self) -> Iterator[None]:
        with running(partial(self._deliver, target) for target in self.settings.targets):
            yield

    def _deliver(self, target: Target, stop: Event) -> None:
        sender = open_sender(target, self.settings, self.desk)
        Courier(target.name, sender, self.database, self.emergencies, self._metrics, stop).run()

    def raised(self, number: int, condition: str = "cup/cracks") -> Alert:
        finding = Finding(Place(condition, "a", f"s{number}"), "act_now", "cracks", "3 of 10")
        with self.database.write() as connection:
            alert = self.desk.raise_at(connection, finding, f"v@{number}", time.time_ns())
        assert alert is not None
        return alert

    def resolved(self, alert: Alert) -> None:
        with self.database.write() as connection:
            assert self.desk.resolve_at(connection, alert.place, "it is over", time.time_ns())

    def num_undelivered(self) -> int:
        return sum(self.desk.overview().undelivered.values())

    def all_keys(self) -> set[str]:
        with self.database.read() as connection:
            alerts = [*rows.open_alerts(connection, 1000), *rows.resolved_alerts(connection, 1000, None)]
        return {alert.key for alert in alerts}

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


def eventually(is_so: Callable[[], bool], limit_s: float = LIMIT_S) -> None:
    """Waits generously; the machine may be busy."""
    end_s = time.monotonic() + limit_s
    waiting = threading.Event()
    while not is_so():
        assert time.monotonic() < end_s, "it did not come about in time"
        waiting.wait(0.02)
