"""An alert and its states: firing, acknowledged, resolved. A silence is separate: it holds back news of a place.

firing -> acknowledged -> resolved
firing ----------------> resolved
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256

from inspector.alerts.place import Place
from inspector.alerts.settings import Level

KEY_DIGITS = 32
MAX_NAME, MAX_NOTE = 128, 2000
"""Characters of what people write."""
MAX_SILENCE_S = 31 * 86_400.0


class AlertError(Exception):
    """The request about an alert cannot be met; the message says why."""


class State(StrEnum):
    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    """Somebody takes care of it."""
    RESOLVED = "resolved"


class What(StrEnum):
    """Events of an alert's history."""

    RAISED = "raised"
    ACKNOWLEDGED = "acknowledged"
    SILENCED = "silenced"
    SILENCE_ENDED = "silence_ended"
    """Its time is over, or somebody ended it."""
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing of a place is sent out until then, but ends of alerts."""

    until_ns: int
    by: str
    note: str


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert from its beginning to its end."""

    key: str
    """The same for this alert wherever it is delivered and however often."""
    place: Place
    level: Level
    title: str
    detail: str
    """Figures at its beginning."""
    raised_ns: int
    state: State = State.FIRING
    acknowledged_ns: int | None = None
    acknowledged_by: str = ""
    note: str = ""
    """Of who acknowledged it."""
    resolved_ns: int | None = None
    resolution: str = ""
    """Figures at its end, or why it ended."""
    is_announced: bool = True
    """False while a silence keeps its beginning in, and for an old alert until the line runs."""
    silence: Silence | None = None
    """The silence of its place, while the alert is open."""

    @property
    def is_open(self) -> bool:
        return self.state is not State.RESOLVED


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of an alert's history."""

    what: What
    at_ns: int
    who: str = ""
    """Empty: the service itself."""
    note: str = ""
    is_sent: bool = True
    """Whether it is delivered."""


Step = tuple[Alert, Event]


def key_of(place: Place, cause: str) -> str:
    """`cause` names what raised the alert: a verdict in the log, or the how-manieth alert of the place it is."""
    return sha256("\x00".join((*place, cause)).encode()).hexdigest()[:KEY_DIGITS]


def raise_alert(alert: Alert, *, is_old: bool = False) -> Step:
    """A new alert, which takes up the silence of its place. An old one is not sent out: see `announce`."""
    alert = replace(alert, is_announced=alert.silence is None and not is_old)
    return alert, Event(What.RAISED, alert.raised_ns, note=alert.detail, is_sent=alert.is_announced)


def announce(alert: Alert, now_ns: int) -> Step:
    """Sends out an old alert, because it is still open and the line runs. Raises AlertError."""
    _check_open(alert)
    note = "it began long ago, and is still open"
    return replace(alert, is_announced=True), Event(What.RAISED, now_ns, note=note)


def acknowledge(alert: Alert, by: str, note: str, now_ns: int) -> Step:
    """May be repeated, by another person or with another note. Raises AlertError."""
    _check_open(alert)
    by, note = _person(by), _note(note)
    changed = replace(alert, state=State.ACKNOWLEDGED, acknowledged_ns=now_ns, acknowledged_by=by, note=note)
    return changed, Event(What.ACKNOWLEDGED, now_ns, by, note, is_sent=alert.is_announced)


def silence(alert: Alert, until_ns: int, by: str, note: str, now_ns: int) -> Step:
    """Also makes an earlier silence longer or shorter. Raises AlertError."""
    _check_open(alert)
    by, note = _person(by), _note(note)
    if not 0 < until_ns - now_ns <= MAX_SILENCE_S * 1e9:
        raise AlertError(f"a silence ends in the future, at most {MAX_SILENCE_S / 86_400:.0f} days from now")
    changed = replace(alert, silence=Silence(until_ns, by, note))
    return changed, Event(What.SILENCED, now_ns, by, note, is_sent=alert.is_announced)


def end_silence(alert: Alert, by: str, now_ns: int) -> Step:
    """`by` is empty where the time is over. An open alert that was kept in is announced now. Raises AlertError."""
    if alert.silence is None:
        raise AlertError(f"alert {alert.key} is not silenced")
    changed = replace(alert, silence=None, is_announced=alert.is_announced or alert.is_open)
    note = "ended" if by else "its time is over"
    return changed, Event(What.SILENCE_ENDED, now_ns, by, note, is_sent=alert.is_open)


def resolve(alert: Alert, why: str, now_ns: int) -> Step:
    """Sent out even during a silence: who was told of the alert is told of its end. Raises AlertError."""
    _check_open(alert)
    changed = replace(alert, state=State.RESOLVED, resolved_ns=now_ns, resolution=why)
    return changed, Event(What.RESOLVED, now_ns, note=why, is_sent=alert.is_announced)


def _check_open(alert: Alert) -> None:
    if not alert.is_open:
        raise AlertError(f"alert {alert.key} is resolved, so there is nothing left to do about it")


def _person(name: str) -> str:
    name = " ".join(name.split())
    if not name or len(name) > MAX_NAME:
        raise AlertError(f"a name of 1 to {MAX_NAME} characters is needed, so that others know whom to ask")
    return name


def _note(note: str) -> str:
    if len(note) > MAX_NOTE:
        raise AlertError(f"the note has {len(note)} characters; at most {MAX_NOTE} are kept")
    return note.strip()
