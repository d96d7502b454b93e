"""How alerts are written on pages."""

from collections.abc import Sequence
from hashlib import sha256

from inspector.alerts.alert import Alert, What
from inspector.alerts.rows import PastEvent
from inspector.web.piece_words import time_words

LEVELS = {"act_now": "act now", "look_later": "look later"}
WHAT = {
    What.RAISED: "raised",
    What.ACKNOWLEDGED: "acknowledged",
    What.SILENCED: "silenced",
    What.SILENCE_ENDED: "silence ended",
    What.RESOLVED: "resolved",
}
DURATIONS = ((15, "15 minutes"), (60, "1 hour"), (240, "4 hours"), (480, "8 hours, a shift"), (1440, "a day"))
"""In minutes, as the page offers them."""


def alert_row(alert: Alert) -> dict[str, object]:
    silence = alert.silence
    return {
        "key": alert.key,
        "href": f"/alerts/{alert.key}",
        "level": alert.level,
        "level_word": LEVELS.get(alert.level, alert.level),
        "title": alert.title,
        "detail": alert.detail,
        "condition": alert.place.condition,
        "place": alert.place.words or "the service",
        "state": alert.state.value,
        "is_open": alert.is_open,
        "raised": time_words(alert.raised_ns),
        "acknowledged": None if alert.acknowledged_ns is None else time_words(alert.acknowledged_ns),
        "acknowledged_by": alert.acknowledged_by,
        "note": alert.note,
        "silenced_until": None if silence is None else time_words(silence.until_ns),
        "silenced_by": "" if silence is None else silence.by,
        "silence_note": "" if silence is None else silence.note,
        "resolved": None if alert.resolved_ns is None else time_words(alert.resolved_ns),
        "resolution": alert.resolution,
    }


def event_row(past: PastEvent) -> dict[str, object]:
    event = past.event
    return {"what": WHAT[event.what], "time": time_words(event.at_ns), "who": event.who, "note": event.note}


def mark_of(alerts: Sequence[Alert]) -> str:
    """Changes when any of these alerts does, or another one comes."""
    states = [
        (alert.key, alert.state.value, alert.acknowledged_ns, alert.silence.until_ns if alert.silence else 0)
        for alert in sorted(alerts, key=lambda alert: alert.key)
    ]
    return sha256(repr(states).encode()).hexdigest()[:16]
