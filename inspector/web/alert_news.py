"""Tells all browsers of the alerts that are open, whichever process raised or changed them."""

import logging
from threading import Event

from inspector.alerts.alert import Alert
from inspector.alerts.desk import AlertDesk
from inspector.verdicts.follow import StoreError
from inspector.web.alert_words import mark_of
from inspector.web.card import Value
from inspector.web.hub import Hub

log = logging.getLogger("inspector.web.alerts")

EVERY_S = 1.0
MAX_TITLE = 120


class AlertNews:
    """One thread calls `run`."""

    def __init__(self, desk: AlertDesk, hub: Hub) -> None:
        self._desk, self._hub = desk, hub

    def run(self, stop: Event) -> None:
        """Until `stop` is set."""
        while not stop.wait(EVERY_S):
            try:
                alerts = self._desk.overview().alerts
            except StoreError as error:
                log.debug("The open alerts cannot be read: %s", error)
                continue
            self._hub.post("alerts", news_of(alerts))


def news_of(alerts: list[Alert]) -> dict[str, Value]:
    """How many are open by level, and the newest that nobody has taken care of."""
    firing = [alert for alert in alerts if alert.acknowledged_ns is None and alert.silence is None]
    newest = max(firing, key=lambda alert: (alert.level == "act_now", alert.raised_ns), default=None)
    return {
        "act_now": sum(alert.level == "act_now" for alert in alerts),
        "look_later": sum(alert.level == "look_later" for alert in alerts),
        "unanswered": len(firing),
        "mark": mark_of(alerts),
        "newest": "" if newest is None else f"{newest.title[:MAX_TITLE]}, {newest.place.words}",
    }
