"""Delivers alerts to a Prometheus Alertmanager (API v2).

It keeps alerts in memory only, so open ones are sent again and again, as Prometheus does, and for a while those that
have ended. An alert's key is one of its labels: two alerts of one place are two there as well.
"""

import json
import time
from collections.abc import Callable, Sequence

from inspector.alerts.alert import Alert, State, What
from inspector.alerts.http_post import HttpTarget
from inspector.alerts.message import link_to, rfc3339
from inspector.alerts.outbox import Parcel
from inspector.alerts.sending import RefusedError, TooEarlyError
from inspector.alerts.settings import AlertmanagerSettings

LIVES = 4
"""An alert ends at Alertmanager when it was not sent again for so many periods."""
REPEAT_ENDED_S = 900.0
"""How long ended alerts are sent again: as Prometheus does."""
SEVERITY = {"act_now": "critical", "look_later": "warning"}


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
        url = f"{settings.url.rstrip('/')}/api/v2/alerts"
        self._target = HttpTarget(url, settings.token, settings.tls, settings.timeout_s)
        self._begun_s: dict[str, float] = {}
        """When this process first sent an open alert; it stays until its end is sent."""
        self._started_s = self._refreshed_s = clock_s()

    def send(self, parcel: Parcel) -> None:
        alert = json.loads(parcel.body)
        is_end = alert["event"] == What.RESOLVED.value
        if is_end:
            self._hold(parcel.alert_key)
        self._target.post(json.dumps([self._item(alert, alert["resolved_at"] if is_end else "")]))
        if is_end:
            self._begun_s.pop(parcel.alert_key, None)
        else:
            self._begun_s.setdefault(parcel.alert_key, self._clock_s())

    def _hold(self, key: str) -> None:
        begun_s = self._begun_s.get(key, self._started_s)
        wait_s = begun_s + self._settings.hold_s - self._clock_s()
        if wait_s > 0:
            raise TooEarlyError(wait_s)

    def refresh(self) -> None:
        if self._clock_s() - self._refreshed_s < self._settings.resend_s:
            return
        self._refreshed_s = self._clock_s()
        alerts = self._delivered(time.time_ns() - round(REPEAT_ENDED_S * 1e9))
        if alerts:
            self._post_all(alerts)

    def _post_all(self, alerts: Sequence[Alert]) -> None:
        """A refusal concerns this repetition only."""
        try:
            self._target.post(json.dumps([self._item(*_fields(alert, self._link)) for alert in alerts]))
        except RefusedError:
            return

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
