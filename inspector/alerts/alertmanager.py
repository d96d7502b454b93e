"""Delivers alerts to a Prometheus Alertmanager (API v2).

It keeps alerts in memory only, so open ones are sent again and again, as Prometheus does, and for a while those that
have ended. An alert's key is one of its labels: two alerts of one place are two there as well.
"""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

from inspector.alerts.alert import Alert, State, What
from inspector.alerts.http_target import HttpTarget
from inspector.alerts.message import link_to, rfc3339
from inspector.alerts.outbox import Parcel
from inspector.alerts.sending import DeliveryError, RefusedError, TooEarlyError
from inspector.alerts.settings import AlertmanagerSettings

LIVES = 4
"""An alert ends at Alertmanager when it was not sent again for so many periods."""
REPEAT_ENDED_S = 900.0
"""How long ended alerts are sent again: as Prometheus does."""
SEVERITY = {"act_now": "critical", "look_later": "warning"}


class _Begun(NamedTuple):
    """When an open alert was first sent to which run of Alertmanager."""

    run: str
    since_s: float


class AlertmanagerSender:
    """Implements `Sender`."""

    def __init__(
        self,
        settings: AlertmanagerSettings,
        link: str,
        delivered: Callable[[int], Sequence[Alert]],
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`delivered` gives the alerts that this target knows: open ones, and those that ended since a time in ns."""
        self._settings, self._link, self._delivered, self._clock_s = settings, link, delivered, clock_s
        self._target = HttpTarget(settings.url, settings.token, settings.tls, settings.timeout_s)
        self._begun: dict[str, _Begun] = {}
        """Open alerts that were sent; an entry stays until the alert's end is sent."""
        self._refreshed_s = clock_s()

    def send(self, parcel: Parcel) -> None:
        alert = json.loads(parcel.body)
        if alert["event"] != What.RESOLVED.value:
            self._begin(parcel.alert_key, alert)
            return
        if self._settings.hold_s > 0:
            self._hold(parcel.alert_key, alert)
        self._post([self._item(alert, alert["resolved_at"])])
        self._begun.pop(parcel.alert_key, None)

    def _begin(self, key: str, alert: dict[str, str]) -> None:
        self._post([self._item(alert, "")])
        run = self._run()
        if key not in self._begun or self._begun[key].run != run:
            self._begun[key] = _Begun(run, self._clock_s())

    def _hold(self, key: str, alert: dict[str, str]) -> None:
        """Raises TooEarlyError until this run of Alertmanager has known the alert for long enough to report it."""
        begun = self._begun.get(key)
        if begun is None or begun.run != self._run():
            self._begin(key, alert)
            begun = self._begun[key]
        wait_s = begun.since_s + self._settings.hold_s - self._clock_s()
        if wait_s > 0:
            raise TooEarlyError(wait_s)

    def _run(self) -> str:
        """Names the present run of Alertmanager: when it started."""
        try:
            return str(json.loads(self._target.get("api/v2/status"))["uptime"])
        except (ValueError, KeyError, TypeError) as exc:
            raise DeliveryError(f"{self._target.name} is no Alertmanager: it has no status") from exc

    def refresh(self) -> None:
        if self._clock_s() - self._refreshed_s < self._settings.resend_s:
            return
        self._refreshed_s = self._clock_s()
        alerts = self._delivered(time.time_ns() - round(REPEAT_ENDED_S * 1e9))
        if alerts:
            self._post_all(alerts)

    def _post_all(self, alerts: Sequence[Alert]) -> None:
        """A refusal concerns this repetition only."""
        with suppress(RefusedError):
            self._post([self._item(*_fields(alert, self._link)) for alert in alerts])

    def _post(self, items: Sequence[dict[str, object]]) -> None:
        self._target.post(json.dumps(items), below="api/v2/alerts")

    def close(self) -> None:
        """Nothing is open."""

    def _item(self, alert: dict[str, str], ended_at: str) -> dict[str, object]:
        life_ns = round(LIVES * self._settings.resend_s * 1e9)
        labels = {
            "alertname": alert["condition"],
            "inspector_key": alert["key"],
            "severity": SEVERITY.get(alert["level"], "warning"),
            "line": alert["line"],
            "station": alert["station"],
            "part": alert["part"],
        }
        annotations = {
            "summary": f"{alert['title']} ({alert['line']}/{alert['station']})",
            "description": alert["detail"],
            "acknowledged_by": alert["acknowledged_by"],
            "note": alert["note"],
        }
        return {
            "labels": {name: value for name, value in labels.items() if value},
            "annotations": {name: value for name, value in annotations.items() if value},
            "startsAt": alert["raised_at"],
            "endsAt": ended_at or rfc3339(time.time_ns() + life_ns),
            "generatorURL": alert["link"],
        }


def _fields(alert: Alert, link: str) -> tuple[dict[str, str], str]:
    fields = {
        "key": alert.key,
        "condition": alert.place.condition,
        "line": alert.place.line,
        "station": alert.place.station,
        "part": alert.place.part,
        "level": alert.level,
        "title": alert.title,
        "detail": alert.detail,
        "raised_at": rfc3339(alert.raised_ns),
        "acknowledged_by": alert.acknowledged_by,
        "note": alert.note,
        "link": link_to(alert.key, link),
    }
    ended = alert.state is State.RESOLVED and alert.resolved_ns is not None
    return fields, rfc3339(alert.resolved_ns or 0) if ended else ""
