"""Writes rows of verdicts into the tables, and reads them back for comparison."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, case

from inspector.archive.dialect import Cell, insert, insert_new_rows, insert_rows
from inspector.archive.positions import topic_ids
from inspector.archive.schema import HEAT_MAPS, STATIONS, VERDICT_BODIES, VERDICT_SENSORS, VERDICTS
from inspector.archive.totals import change_totals
from inspector.archive.verdict_row import VerdictRow, verdict_row
from inspector.verdicts.ring import Entry


class Place(NamedTuple):
    """Names the record of a verdict: a recreated topic has the same offsets, but not the same times."""

    topic_id: int
    partition: int
    offset: int
    append_ns: int


def insert_verdicts(connection: Connection, entries: Sequence[Entry]) -> int:
    """Stores verdicts, but for those that are there; returns how many were new."""
    if not entries:
        return 0
    topics = topic_ids(connection, {entry.source.topic for entry in entries})
    rows = {place_of(entry, topics): verdict_row(entry) for entry in entries}
    keys = _insert(connection, rows)
    write_parts(connection, {key: rows[place] for place, key in keys.items()})
    _note_stations(connection, [rows[place] for place in keys])
    if keys:
        change_totals(connection, len(keys), sum(int(rows[place].columns["stored_bytes"] or 0) for place in keys))
    return len(keys)


def place_of(entry: Entry, topics: Mapping[str, int]) -> Place:
    return Place(topics[entry.source.topic], entry.source.partition, entry.offset, entry.append_ns)


def _insert(connection: Connection, rows: Mapping[Place, VerdictRow]) -> dict[Place, int]:
    """Keys of the new rows."""
    places = list(rows)
    values = [{"topic_id": place.topic_id, **row.columns} for place, row in rows.items()]
    return {places[at]: key for at, key in insert_new_rows(connection, VERDICTS, values, Place._fields).items()}


def write_parts(connection: Connection, rows: Mapping[int, VerdictRow]) -> None:
    """Bodies, heat maps and sensors of new verdicts, by key."""
    bodies: list[dict[str, Cell]] = [{"verdict_key": key, "body": row.stored.body} for key, row in rows.items()]
    maps: list[dict[str, Cell]] = [
        {"verdict_key": key, "image": image, "png": png}
        for key, row in rows.items()
        for image, png in row.stored.heat_maps.items()
    ]
    sensors: list[dict[str, Cell]] = [
        {"verdict_key": key, "sensor": each.sensor, "state": each.state, "reason": each.reason}
        for key, row in rows.items()
        for each in row.sensors
    ]
    for table, values in ((VERDICT_BODIES, bodies), (HEAT_MAPS, maps), (VERDICT_SENSORS, sensors)):
        insert_rows(connection, table, values)


def _note_stations(connection: Connection, rows: Sequence[VerdictRow]) -> None:
    spans: dict[tuple[object, ...], tuple[int, int]] = {}
    for row in rows:
        where = tuple(row.columns[name] for name in ("line", "station", "product"))
        entry_ns = int(row.columns["entry_ns"] or 0)
        first_ns, last_ns = spans.get(where, (entry_ns, entry_ns))
        spans[where] = min(first_ns, entry_ns), max(last_ns, entry_ns)
    if not spans:
        return
    statement = insert(connection, STATIONS)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[STATIONS.c.line, STATIONS.c.station, STATIONS.c.product],
            set_={
                "first_ns": _least(STATIONS.c.first_ns, statement.excluded.first_ns),
                "last_ns": _greatest(STATIONS.c.last_ns, statement.excluded.last_ns),
            },
        ),
        [
            {"line": where[0], "station": where[1], "product": where[2], "first_ns": first_ns, "last_ns": last_ns}
            for where, (first_ns, last_ns) in sorted(spans.items(), key=repr)  # one order: no deadlock of two writers
        ],
    )


def _least(one: ColumnElement[int], other: ColumnElement[int]) -> ColumnElement[int]:
    return case((one <= other, one), else_=other)


def _greatest(one: ColumnElement[int], other: ColumnElement[int]) -> ColumnElement[int]:
    return case((one >= other, one), else_=other)
