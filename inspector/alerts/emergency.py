"""Alerts that cannot be stored because the database fails: kept in memory, and delivered from there."""

import threading
from dataclasses import dataclass

from inspector.alerts.alert import Alert, key_of, raise_alert
from inspector.alerts.desk import Finding
from inspector.alerts.message import body_of
from inspector.alerts.outbox import Parcel
from inspector.alerts.place import Place

NO_EVENT = 0
"""Number of an event that is not in the database."""


@dataclass(frozen=True, slots=True)
class Emergency:
    """What raises an alert, and since when. Stored later, the alert has the same key."""

    finding: Finding
    since_ns: int

    @property
    def cause(self) -> str:
        return f"since {self.since_ns}"

    def parcel(self, link: str) -> Parcel:
        finding = self.finding
        key = key_of(finding.place, self.cause)
        alert, event = raise_alert(
            Alert(key, finding.place, finding.level, finding.title, finding.detail, self.since_ns)
        )
        return Parcel(0, key, NO_EVENT, body_of(alert, event, NO_EVENT, link), self.since_ns)


class Emergencies:
    """Thread-safe; few, because only the service's own conditions can become one."""

    def __init__(self, link: str) -> None:
        self._link = link
        self._lock = threading.Lock()
        self._by_place: dict[Place, Emergency] = {}

    def add(self, emergency: Emergency) -> None:
        with self._lock:
            self._by_place.setdefault(emergency.finding.place, emergency)

    def remove(self, place: Place) -> None:
        with self._lock:
            self._by_place.pop(place, None)

    def all(self) -> list[Emergency]:
        with self._lock:
            return list(self._by_place.values())

    def parcels(self) -> list[Parcel]:
        return [emergency.parcel(self._link) for emergency in self.all()]
