"""Reads and writes alerts, silences and history in the archive's database, each function inside a transaction."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Table, and_, delete, func, insert, select, tuple_, update

from inspector.alerts.alert import Alert, Event, Silence, State, What
from inspector.alerts.place import Place
from inspector.archive.metadata import stored_text
from inspector.archive.tables_alerts import ALERT_EVENTS, ALERT_SILENCES, ALERTS

_A, _E = ALERTS.c, ALERT_EVENTS.c
_OPEN = _A.state != State.RESOLVED.value
_ORDER = (_A.raised_ns.desc(), _A.key.desc())


class PastEvent(NamedTuple):
    """An event of the history, with its number."""

    id: int
    alert_key: str
    event: Event


class Cursor(NamedTuple):
    """The last alert of a page of the history; the next page continues behind it."""

    raised_ns: int
    key: str


def is_at(table: Table, place: Place) -> ColumnElement[bool]:
    """Whether a row belongs to this place."""
    return and_(*(table.c[name] == value for name, value in stored_place(place)._asdict().items()))


def stored_place(place: Place) -> Place:
    """As it is stored: names come from the wire."""
    return Place(*map(stored_text, place))


def find_alert(connection: Connection, key: str, *, lock: bool = False) -> Alert | None:
    """`lock`: nobody else changes it until the transaction ends."""
    statement = select(ALERTS).where(_A.key == key)
    row = connection.execute(statement.with_for_update() if lock else statement).first()
    return None if row is None else _with_silences(connection, [row])[0]


def keys_like(connection: Connection, start: str, limit: int) -> list[str]:
    """Keys that begin so; `start` is a part of a key."""
    query = select(_A.key).where(_A.key >= start, _A.key < start + "g").order_by(*_ORDER).limit(limit)
    return list(connection.execute(query).scalars())


def open_alert_at(connection: Connection, place: Place) -> Alert | None:
    row = connection.execute(select(ALERTS).where(is_at(ALERTS, place), _OPEN).with_for_update()).first()
    return None if row is None else _with_silences(connection, [row])[0]


def open_alerts(connection: Connection, limit: int) -> list[Alert]:
    """Newest first."""
    return _with_silences(connection, connection.execute(select(ALERTS).where(_OPEN).order_by(*_ORDER).limit(limit)))


def resolved_alerts(connection: Connection, limit: int, before: Cursor | None) -> list[Alert]:
    """Newest first."""
    statement = select(ALERTS).where(_A.state == State.RESOLVED.value)
    if before is not None:
        statement = statement.where(tuple_(_A.raised_ns, _A.key) < tuple_(*before))
    return _with_silences(connection, connection.execute(statement.order_by(*_ORDER).limit(limit)))


def resolved_since(connection: Connection, since_ns: int, limit: int) -> list[Alert]:
    """Those that were announced and have ended since then."""
    ended = select(ALERTS).where(_A.state == State.RESOLVED.value, _A.resolved_ns >= since_ns, _A.is_announced)
    return [_alert(row, {}) for row in connection.execute(ended.order_by(*_ORDER).limit(limit))]


def count_open(connection: Connection) -> dict[str, int]:
    """By level."""
    rows = connection.execute(select(_A.level, func.count().label("num")).where(_OPEN).group_by(_A.level))
    return {row.level: row.num for row in rows}


def count_at(connection: Connection, place: Place) -> int:
    """Alerts that this place ever had, as far as they are kept."""
    return connection.execute(select(func.count()).select_from(ALERTS).where(is_at(ALERTS, place))).scalar_one()


def save(connection: Connection, alert: Alert, event: Event, *, is_new: bool = False) -> int:
    """Writes the alert and its event; returns the event's number."""
    if is_new:
        connection.execute(insert(ALERTS).values(key=alert.key, **_values(alert)))
    else:
        connection.execute(update(ALERTS).where(_A.key == alert.key).values(**_values(alert)))
    _save_silence(connection, alert, event)
    written = connection.execute(
        insert(ALERT_EVENTS).values(
            alert_key=alert.key,
            what=event.what.value,
            at_ns=event.at_ns,
            who=stored_text(event.who),
            note=stored_text(event.note, 4000),
        )
    )
    key = written.inserted_primary_key
    assert key is not None, "of a single row"  # noqa: S101
    return int(key[0])


def _save_silence(connection: Connection, alert: Alert, event: Event) -> None:
    """A silence stays when its alert ends; it then belongs to the next alert of the place."""
    if event.what is What.SILENCE_ENDED:
        connection.execute(delete(ALERT_SILENCES).where(is_at(ALERT_SILENCES, alert.place)))
    elif alert.silence is not None and event.what in (What.SILENCED, What.RAISED):
        connection.execute(delete(ALERT_SILENCES).where(is_at(ALERT_SILENCES, alert.place)))
        silence = {
            "alert_key": alert.key,
            "until_ns": alert.silence.until_ns,
            "silenced_by": stored_text(alert.silence.by),
            "note": stored_text(alert.silence.note, 4000),
        }
        connection.execute(insert(ALERT_SILENCES).values(**stored_place(alert.place)._asdict(), **silence))


def silence_at(connection: Connection, place: Place) -> Silence | None:
    row = connection.execute(select(ALERT_SILENCES).where(is_at(ALERT_SILENCES, place))).first()
    return None if row is None else Silence(row.until_ns, row.silenced_by, row.note)


def ended_silences(connection: Connection, now_ns: int, limit: int) -> list[Alert]:
    """The alerts whose silence should have ended by now, locked."""
    due = select(ALERT_SILENCES).where(ALERT_SILENCES.c.until_ns <= now_ns).limit(limit).with_for_update()
    alerts = []
    for row in connection.execute(due).all():
        alert = find_alert(connection, row.alert_key, lock=True)
        if alert is not None:
            alerts.append(replace(alert, silence=Silence(row.until_ns, row.silenced_by, row.note)))
    return alerts


def history_of(connection: Connection, key: str, limit: int) -> list[PastEvent]:
    """Oldest first; of a longer history the newest part."""
    rows = connection.execute(select(ALERT_EVENTS).where(_E.alert_key == key).order_by(_E.id.desc()).limit(limit))
    events = [PastEvent(row.id, key, Event(What(row.what), row.at_ns, row.who, row.note)) for row in rows]
    return events[::-1]


def remove_resolved(connection: Connection, before_ns: int) -> int:
    """Removes alerts that ended before then, with their history; returns how many."""
    is_old = (_A.state == State.RESOLVED.value, _A.resolved_ns < before_ns)
    return connection.execute(delete(ALERTS).where(*is_old)).rowcount


def _values(alert: Alert) -> dict[str, object]:
    return {
        **stored_place(alert.place)._asdict(),
        "level": alert.level,
        "title": stored_text(alert.title),
        "detail": stored_text(alert.detail, 1000),
        "state": alert.state.value,
        "raised_ns": alert.raised_ns,
        "acknowledged_ns": alert.acknowledged_ns,
        "acknowledged_by": stored_text(alert.acknowledged_by),
        "note": stored_text(alert.note, 4000),
        "resolved_ns": alert.resolved_ns,
        "resolution": stored_text(alert.resolution, 1000),
        "is_announced": alert.is_announced,
    }


def _with_silences(connection: Connection, rows: Iterable[Row[tuple[object, ...]]]) -> list[Alert]:
    silences = {
        Place(row.condition, row.line, row.station, row.part): Silence(row.until_ns, row.silenced_by, row.note)
        for row in connection.execute(select(ALERT_SILENCES))
    }
    return [_alert(row, silences) for row in rows]


def _alert(row: Row[tuple[object, ...]], silences: Mapping[Place, Silence]) -> Alert:
    place, state = Place(row.condition, row.line, row.station, row.part), State(row.state)
    return Alert(
        key=row.key,
        place=place,
        level=row.level,
        title=row.title,
        detail=row.detail,
        raised_ns=row.raised_ns,
        state=state,
        acknowledged_ns=row.acknowledged_ns,
        acknowledged_by=row.acknowledged_by,
        note=row.note,
        resolved_ns=row.resolved_ns,
        resolution=row.resolution,
        is_announced=row.is_announced,
        silence=silences.get(place) if state is not State.RESOLVED else None,
    )
