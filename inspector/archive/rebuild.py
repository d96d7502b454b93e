"""Verifies the stored verdicts against the log, and makes them again from it.

Rows keep their keys, which recordings and reviews name. Rows that are older than the log's oldest record stay as they
are: nothing could replace them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, select, update

from inspector.archive.compare import FOLLOWER, Comparer, Difference, Kind, Tally
from inspector.archive.database import Database
from inspector.archive.items import deployments_of, findings_of
from inspector.archive.log_reading import LogReading
from inspector.archive.positions import lock_follower
from inspector.archive.retention import ROWS_AT_ONCE, remove_verdicts
from inspector.archive.schema import HEAT_MAPS, VERDICT_BODIES, VERDICT_SENSORS, VERDICTS
from inspector.archive.totals import change_totals
from inspector.archive.verdict_row import verdict_row
from inspector.archive.write import insert_verdicts, write_parts
from inspector.archive.write_others import insert_findings, upsert_deployments
from inspector.verdicts.feed import Followed, Position
from inspector.verdicts.ring import Entry, entries_of
from streams.log import Log, Start

Progress = Callable[[int, int], None]
"""Called with the number of offsets done and of all."""


@dataclass(frozen=True, slots=True)
class Repairs:
    """The changes of a rebuild."""

    added: int = 0
    changed: int = 0
    removed: int = 0
    held: int = 0
    """Rows without a record that stay, because a review or a data set needs them."""

    def __add__(self, other: "Repairs") -> "Repairs":
        return Repairs(
            self.added + other.added,
            self.changed + other.changed,
            self.removed + other.removed,
            self.held + other.held,
        )


def verify(
    log: Log, database: Database, on_difference: Callable[[Difference], None], progress: Progress | None = None
) -> Tally:
    """Compares every verdict that the log holds with its rows. Raises LogError, StoreError."""
    with database.read() as connection:
        comparer = Comparer(connection)
    for differences in _pass(log, database, comparer, progress):
        for difference in differences:
            on_difference(difference)
    return comparer.tally


def rebuild(log: Log, database: Database, progress: Progress | None = None) -> Repairs:
    """Makes the rows of every verdict that the log holds equal to it. Raises LogError, StoreError."""
    with database.read() as connection:
        comparer = Comparer(connection, pending_is_missing=True)
    repairs = Repairs()
    for differences in _pass(log, database, comparer, progress):
        if differences:
            with database.write(grows=True) as connection:
                repairs += repair(connection, differences)
    return repairs


def _pass(
    log: Log, database: Database, comparer: Comparer, progress: Progress | None
) -> Iterator[Sequence[Difference]]:
    reading = LogReading(Followed("verdicts", log.tail, entries_of))
    for batch in reading.batches():
        with database.read() as connection:
            differences = list(comparer.differences(connection, batch.items))
        yield differences
        if progress is not None:
            progress(reading.done(batch.position), reading.num_offsets)
    with database.read() as connection:
        differences = list(comparer.extras_behind(connection, reading.end, lambda: _end(log)))
    yield differences


def _end(log: Log) -> Position:
    with closing(log.tail(Start())) as tail:
        return dict(tail.position())


def repair(connection: Connection, differences: Sequence[Difference]) -> Repairs:
    """Locks the follower: keys become visible in their order, which who reads the rows behind a key relies on."""
    lock_follower(connection, FOLLOWER)
    by_kind: dict[Kind, list[Difference]] = {kind: [] for kind in Kind}
    for difference in differences:
        by_kind[difference.kind].append(difference)
    added = insert_verdicts(connection, [each.entry for each in by_kind[Kind.MISSING] if each.entry is not None])
    different = {each.key: each.entry for each in by_kind[Kind.DIFFERENT] if each.key is not None and each.entry}
    _replace(connection, different)
    extra = [each.key for each in by_kind[Kind.EXTRA]]
    removed = sum(
        remove_verdicts(connection, [key for key in extra[start : start + ROWS_AT_ONCE] if key is not None])
        for start in range(0, len(extra), ROWS_AT_ONCE)
    )
    return Repairs(added, len(different), removed, len(extra) - removed)


def _replace(connection: Connection, entries: Mapping[int, Entry]) -> None:
    rows = {key: verdict_row(entry) for key, entry in entries.items()}
    if not rows:
        return
    size = select(func.coalesce(func.sum(VERDICTS.c.stored_bytes), 0)).where(VERDICTS.c.key.in_(rows))
    before_bytes = connection.execute(size).scalar_one()
    for key, row in rows.items():
        connection.execute(update(VERDICTS).where(VERDICTS.c.key == key).values(row.columns))
        for table in (VERDICT_BODIES, HEAT_MAPS, VERDICT_SENSORS):
            connection.execute(delete(table).where(table.c.verdict_key == key))
    write_parts(connection, rows)
    change_totals(connection, 0, connection.execute(size).scalar_one() - before_bytes)


def rebuild_findings(log: Log, database: Database) -> int:
    """Stores missing feedback and deployments; returns how many findings were missing. Raises LogError, StoreError."""
    num_added = 0
    for findings in LogReading(Followed("feedback", log.feedback, findings_of)).batches():
        with database.write(grows=True) as connection:
            num_added += insert_findings(connection, findings.items)
    for deployments in LogReading(Followed("deployments", log.control, deployments_of)).batches():
        with database.write(grows=True) as connection:
            upsert_deployments(connection, deployments.items)
    return num_added
