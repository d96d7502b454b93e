"""Everything that people and the service do to alerts; events are queued for delivery in the same transaction.

Several processes may work on one database: an alert is locked while it is changed.
"""

import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection

from inspector.alerts import outbox, rows
from inspector.alerts.alert import (
    KEY_DIGITS,
    Alert,
    AlertError,
    Step,
    acknowledge,
    announce,
    end_silence,
    key_of,
    raise_alert,
    resolve,
    silence,
)
from inspector.alerts.message import body_of
from inspector.alerts.place import Place
from inspector.alerts.rows import Cursor, PastEvent
from inspector.alerts.settings import AlertSettings, Level
from inspector.archive.database import Database

log = logging.getLogger("inspector.alerts")

MAX_OPEN, MAX_HISTORY, MAX_PAGE = 1000, 200, 200
"""Alerts and events that one call reads."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What raises an alert."""

    place: Place
    level: Level
    title: str
    detail: str


class Overview(NamedTuple):
    """Alerts for a page, and how many events wait for delivery, by target."""

    alerts: list[Alert]
    undelivered: dict[str, int]


class AlertDesk:
    """The alerts of one database. Its calls raise StoreError while the database is unavailable."""

    def __init__(self, database: Database, settings: AlertSettings) -> None:
        self._database, self._settings = database, settings
        self._targets = [target.name for target in settings.targets]

    # For people

    def overview(self) -> Overview:
        """Open alerts, newest first."""
        with self._database.read() as connection:
            return Overview(rows.open_alerts(connection, MAX_OPEN), outbox.count(connection))

    def count_open(self) -> dict[str, int]:
        """By level."""
        with self._database.read() as connection:
            return rows.count_open(connection)

    def resolved(self, limit: int, before: Cursor | None = None) -> list[Alert]:
        """Newest first, from behind `before`."""
        with self._database.read() as connection:
            return rows.resolved_alerts(connection, min(limit, MAX_PAGE), before)

    def alert(self, key: str) -> Alert:
        """Raises AlertError."""
        with self._database.read() as connection:
            return _existing(rows.find_alert(connection, key), key)

    def full_key(self, start: str) -> str:
        """The key that begins so. Raises AlertError where none does, or several do."""
        if not 4 <= len(start) <= KEY_DIGITS or set(start) - set("0123456789abcdef"):
            raise AlertError(f"{start[:64]!r} is no key; give at least its first 4 hex digits")
        with self._database.read() as connection:
            keys = rows.keys_like(connection, start, 2)
        if len(keys) > 1:
            raise AlertError(f"several alerts have keys that begin with {start}; give more digits")
        return keys[0] if keys else _existing(None, start).key

    def history(self, key: str) -> list[PastEvent]:
        """Oldest first."""
        with self._database.read() as connection:
            return rows.history_of(connection, key, MAX_HISTORY)

    def acknowledge(self, key: str, by: str, note: str = "") -> Alert:
        """Raises AlertError."""
        return self._change(key, lambda alert, now_ns: acknowledge(alert, by, note, now_ns))

    def silence(self, key: str, seconds: float, by: str, note: str = "") -> Alert:
        """Holds for later alerts of the same place, too. Raises AlertError."""
        return self._change(key, lambda alert, now_ns: silence(alert, now_ns + round(seconds * 1e9), by, note, now_ns))

    def end_silence(self, key: str, by: str) -> Alert:
        """Raises AlertError."""
        return self._change(key, lambda alert, now_ns: end_silence(alert, by, now_ns))

    def _change(self, key: str, transition: Callable[[Alert, int], Step]) -> Alert:
        with self._database.write() as connection:
            alert = _existing(rows.find_alert(connection, key, lock=True), key)
            return self._apply(connection, transition(alert, time.time_ns()))

    def delivered(self, target: str, since_ns: int) -> list[Alert]:
        """Open alerts and those that ended since then that a target knows: none of their events waits for delivery."""
        with self._database.read() as connection:
            waiting = outbox.keys_waiting(connection, target)
            alerts = [alert for alert in rows.open_alerts(connection, MAX_OPEN) if alert.is_announced]
            ended = rows.resolved_since(connection, since_ns, MAX_OPEN)
        return [alert for alert in (*alerts, *ended) if alert.key not in waiting]

    # For the service, inside a transaction

    def raise_at(self, connection: Connection, finding: Finding, cause: str, at_ns: int) -> Alert | None:
        """`cause` names the very verdict, so that the alert's key is the same however often this is done. None where an
        alert of the place is open, or was raised by the same cause before."""
        place = finding.place
        key = key_of(place, cause)
        if rows.open_alert_at(connection, place) or rows.find_alert(connection, key):
            return None
        silenced = rows.silence_at(connection, place)
        is_old = time.time_ns() - at_ns > self._settings.tell_within_s * 1e9
        alert = Alert(key, place, finding.level, finding.title, finding.detail, at_ns, silence=silenced)
        log.warning("Alert %s (%s): %s at %s: %s.", key, finding.level, finding.title, place.words, finding.detail)
        return self._apply(connection, raise_alert(alert, is_old=is_old), is_new=True)

    def resolve_at(self, connection: Connection, place: Place, why: str, at_ns: int) -> Alert | None:
        """None where no alert of the place is open."""
        alert = rows.open_alert_at(connection, place)
        if alert is None:
            return None
        log.info("Alert %s is resolved: %s at %s: %s.", alert.key, alert.title, place.words, why)
        return self._apply(connection, resolve(alert, why, max(at_ns, alert.raised_ns)))

    def announce_old(self, connection: Connection) -> None:
        """Sends out old alerts that are still open."""
        for alert in rows.open_alerts(connection, MAX_OPEN):
            if not alert.is_announced and alert.silence is None:
                self._apply(connection, announce(alert, time.time_ns()))

    def end_silences(self, now_ns: int) -> None:
        """Ends those whose time is over."""
        with self._database.read() as connection:
            if not rows.ended_silences(connection, now_ns, 1):
                return
        with self._database.write() as connection:
            for alert in rows.ended_silences(connection, now_ns, MAX_PAGE):
                self._apply(connection, end_silence(alert, "", now_ns))

    def settle(
        self,
        findings: Sequence[tuple[Finding, str, int]],
        present: Collection[Place],
        conditions: Collection[str],
        now_ns: int,
    ) -> None:
        """Raises an alert for each finding (with its cause and time), and ends those of these conditions whose place is
        not `present`."""
        if not self._differs({finding.place for finding, _, _ in findings}, present, conditions):
            return
        with self._database.write() as connection:
            for finding, cause, since_ns in findings:
                self.raise_at(connection, finding, cause, since_ns)
            for alert in rows.open_alerts(connection, MAX_OPEN):
                if alert.place.condition in conditions and alert.place not in present:
                    self.resolve_at(connection, alert.place, "it is over", now_ns)

    def _differs(
        self, found_places: Collection[Place], present: Collection[Place], conditions: Collection[str]
    ) -> bool:
        """Whether there is anything to write: this is asked every second."""
        with self._database.read() as connection:
            alerts = rows.open_alerts(connection, MAX_OPEN)
        places = {alert.place for alert in alerts if alert.place.condition in conditions}
        return bool(set(found_places) - places or places - set(present))

    def resolve_removed(self, conditions: Collection[str], now_ns: int) -> None:
        """Ends alerts of conditions that the configuration no longer names, and forgets its former targets."""
        with self._database.write() as connection:
            for alert in rows.open_alerts(connection, MAX_OPEN):
                if alert.place.condition not in conditions:
                    self.resolve_at(connection, alert.place, "the configuration no longer names its condition", now_ns)
            if num := outbox.remove_other_targets(connection, self._targets):
                log.warning("Dropped %d undelivered events for targets that the configuration no longer names.", num)

    def remove_old(self, now_ns: int) -> None:
        """Removes resolved alerts that are older than `keep_days`."""
        before_ns = now_ns - round(self._settings.keep_days * 86_400e9)
        with self._database.write() as connection:
            if num := rows.remove_resolved(connection, before_ns):
                log.info("Removed %d alerts that ended more than %g days ago.", num, self._settings.keep_days)

    def _apply(self, connection: Connection, step: Step, *, is_new: bool = False) -> Alert:
        alert, event = step
        number = rows.save(connection, alert, event, is_new=is_new)
        if event.is_sent:
            body = body_of(alert, event, number, self._settings.link)
            limit = self._settings.max_undelivered
            outbox.queue(connection, self._targets, alert.key, number, body, time.time_ns(), limit)
        return alert


def _existing(alert: Alert | None, key: str) -> Alert:
    if alert is None:
        raise AlertError(f"no alert has the key {key[:64]!r}; `inspector alerts list` shows those that are open")
    return alert
