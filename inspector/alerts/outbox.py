"""Keeps events until their target has taken them: in order for each alert, and bounded."""

import logging
from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, insert, select, update

from inspector.archive.tables_alerts import ALERT_OUTBOX

log = logging.getLogger("inspector.alerts.outbox")

_O = ALERT_OUTBOX.c


class Parcel(NamedTuple):
    """One event for one target."""

    id: int
    alert_key: str
    event: int
    body: str
    queued_ns: int


def queue(
    connection: Connection, targets: Sequence[str], alert_key: str, event: int, body: str, now_ns: int, limit: int
) -> None:
    """Of more than `limit` for one target, the oldest is dropped."""
    for target in targets:
        values = {"target": target, "alert_key": alert_key, "event": event, "body": body}
        connection.execute(insert(ALERT_OUTBOX).values(**values, queued_ns=now_ns, not_before_ns=0))
        _drop_oldest(connection, target, limit)


def _drop_oldest(connection: Connection, target: str, limit: int) -> None:
    surplus = count(connection).get(target, 0) - limit
    if surplus <= 0:
        return
    oldest = select(_O.id).where(_O.target == target).order_by(_O.id).limit(surplus)
    connection.execute(delete(ALERT_OUTBOX).where(_O.id.in_(connection.execute(oldest).scalars().all())))
    log.error("%s has taken nothing for so long that %d events were dropped (max_undelivered = %d); the page has them.",
              target, surplus, limit)  # fmt: skip


def due(connection: Connection, target: str, now_ns: int, limit: int) -> list[Parcel]:
    """What may be sent now, oldest first: of each alert only what has nothing undelivered before it."""
    rows = connection.execute(select(ALERT_OUTBOX).where(_O.target == target).order_by(_O.id).limit(4 * limit))
    parcels, waiting = list[Parcel](), set[str]()
    for row in rows:
        if row.alert_key in waiting or row.not_before_ns > now_ns:
            waiting.add(row.alert_key)
        else:
            parcels.append(Parcel(row.id, row.alert_key, row.event, row.body, row.queued_ns))
    return parcels[:limit]


def keys_waiting(connection: Connection, target: str) -> set[str]:
    """Alerts of which something is undelivered."""
    return set(connection.execute(select(_O.alert_key).where(_O.target == target).distinct()).scalars())


def remove(connection: Connection, parcel: Parcel) -> None:
    connection.execute(delete(ALERT_OUTBOX).where(_O.id == parcel.id))


def postpone(connection: Connection, target: str, alert_key: str, until_ns: int) -> None:
    """Holds back all that follows for this alert."""
    held = (_O.target == target, _O.alert_key == alert_key, _O.not_before_ns < until_ns)
    connection.execute(update(ALERT_OUTBOX).where(*held).values(not_before_ns=until_ns))


def count(connection: Connection) -> dict[str, int]:
    """Undelivered events by target."""
    rows = connection.execute(select(_O.target, func.count().label("num")).group_by(_O.target))
    return {row.target: row.num for row in rows}


def remove_other_targets(connection: Connection, targets: Collection[str]) -> int:
    """Events for targets that the configuration no longer names; returns how many."""
    return connection.execute(delete(ALERT_OUTBOX).where(_O.target.not_in(list(targets)))).rowcount
