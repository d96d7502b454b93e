"""Writes the JSON object that is delivered for each event of an alert, as docs/how-to/alerts.md describes it."""

import json
from datetime import UTC, datetime

from inspector.alerts.alert import Alert, Event


def body_of(alert: Alert, event: Event, number: int, link: str) -> str:
    """`number` is the event's: it grows with every event, so that a receiver can tell an old one that comes late."""
    happened = {"event": event.what.value, "number": number, "at": rfc3339(event.at_ns), "by": event.who}
    return json.dumps({**happened, **as_json(alert), "link": link_to(alert.key, link)})


def as_json(alert: Alert) -> dict[str, str]:
    """Everything about an alert; times in UTC, empty for what did not happen."""
    silence = alert.silence
    return {
        "key": alert.key,
        "state": alert.state.value,
        "level": alert.level,
        "condition": alert.place.condition,
        "line": alert.place.line,
        "station": alert.place.station,
        "part": alert.place.part,
        "title": alert.title,
        "detail": alert.detail,
        "raised_at": rfc3339(alert.raised_ns),
        "acknowledged_by": alert.acknowledged_by,
        "note": alert.note,
        "silenced_until": "" if silence is None else rfc3339(silence.until_ns),
        "resolved_at": "" if alert.resolved_ns is None else rfc3339(alert.resolved_ns),
        "resolution": alert.resolution,
    }


def link_to(key: str, link: str) -> str:
    """Empty where the page's address is not known."""
    return f"{link.rstrip('/')}/alerts/{key}" if link else ""


def rfc3339(time_ns: int) -> str:
    """In UTC, to the millisecond."""
    seconds, rest_ns = divmod(time_ns, 10**9)
    moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest_ns // 10**6 * 1000)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
