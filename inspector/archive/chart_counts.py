"""Counts stored verdicts into rows of five minutes and of an hour: each verdict once, in the order of storing.

A chart of 30 days then reads some thousand rows in place of millions. The counter works behind the archive in small
transactions of its own; charts lack verdicts that it has not counted yet.
"""

import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import IntEnum
from threading import Event
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, select, update

from inspector.archive.database import Database
from inspector.archive.dialect import insert
from inspector.archive.migrate import upgrade
from inspector.archive.schema import VERDICT_SENSORS, VERDICTS
from inspector.archive.tables_charts import CHART_COUNTS, CHART_PROGRESS
from inspector.verdicts.follow import StoreError
from streams.outage import Outage, OutageLines, OutagePolicy

log = logging.getLogger("inspector.archive.charts")

NS = 10**9
FINE_S, COARSE_S = 300, 3600
"""Lengths of the rows' times."""
FINE_DAYS = 32
"""Rows of five minutes are removed after this time; those of an hour stay."""
TIDY_EVERY_S = 3600.0
NUM_SCORE_BINS = 40
BINS_PER_OCTAVE = 8
"""Latencies of one bin differ by at most 9 %."""
MAX_LATENCY_BIN = 20 * BINS_PER_OCTAVE
CHUNK = 2_000
"""Verdicts of one transaction."""
IDLE_S, RETRY_S = 1.0, 5.0
_NAME = "counted"
_T = VERDICTS.c


class Judged(NamedTuple):
    """The columns of a verdict that are counted."""

    key: int
    entry_ns: int
    line: str
    station: str
    product: str
    bundle_digest: str
    decision: int
    defect_class: str
    score: float | None
    pass_below: float | None
    fail_above: float | None
    capture_ns: int
    publish_ns: int


_COLUMNS = tuple(_T[name] for name in Judged._fields)


class Kind(IntEnum):
    """The kinds of counts, with the meaning of `word` and `number`."""

    PIECES = 1
    """Word: likeliest class. Number: decision."""
    SCORES = 2
    """Number: bin of the score."""
    LATENCIES = 3
    """Number: bin of the milliseconds from capture to publication."""
    SENSORS = 4
    """Sensors that were not present. Word: sensor. Number: state."""
    LIMITS = 5
    """Word: both limits."""


class Place(NamedTuple):
    """Primary key of a row."""

    kind: int
    grain_s: int
    start_ns: int
    line: str
    station: str
    product: str
    bundle_digest: str
    word: str
    number: int


class ChartCounter:
    """Counts verdicts that were stored since. One thread uses it at a time; any number of processes may."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def prepare(self) -> None:
        """Makes the tables where they are missing. Raises StoreError, DatabaseError."""
        upgrade(self._database)

    def tidy(self, now_ns: int) -> None:
        """Removes rows of five minutes that are too old. Raises StoreError."""
        old = CHART_COUNTS.c.start_ns < fine_since_ns(now_ns)
        with self._database.write() as connection:
            connection.execute(delete(CHART_COUNTS).where(CHART_COUNTS.c.grain_s == FINE_S, old))

    def count(self) -> int:
        """Counts the next verdicts; how many there were. Raises StoreError."""
        with self._database.read() as connection:
            done = done_key(connection)
            query = select(*_COLUMNS).where(_T.key > done).order_by(_T.key).limit(CHUNK)
            rows = [Judged(*row) for row in connection.execute(query)]
            sensors = _sensors(connection, [row.key for row in rows])
        if not rows:
            return 0
        counts = Counter(place for row in rows for place in _places(row, sensors.get(row.key, ())))
        with self._database.write(grows=True) as connection:
            if _move(connection, done, rows[-1].key):
                _add(connection, counts)
        return len(rows)


def run(counter: ChartCounter, stop: Event, on_counted: Callable[[int], None] = lambda _: None) -> None:
    """Counts until `stop` is set, through outages of the database. Raises DatabaseError."""
    lines = OutageLines(
        log,
        lambda error: f"Charts are not counted at present ({error}). They are when the archive is back.",
        "Charts are counted again.",
    )
    outage = Outage(lines, OutagePolicy(RETRY_S, RETRY_S, remind_s=math.inf, errors=(StoreError,)))
    is_ready, tidy_s = False, 0.0
    while not stop.is_set():
        try:
            if not is_ready:
                counter.prepare()
                is_ready = True
            if time.monotonic() >= tidy_s:
                counter.tidy(time.time_ns())
                tidy_s = time.monotonic() + TIDY_EVERY_S
            num_counted = counter.count()
        except outage.errors as error:
            stop.wait(outage.failed(error))
            continue
        outage.worked()
        on_counted(num_counted)
        if num_counted < CHUNK:
            stop.wait(IDLE_S)


def fine_since_ns(now_ns: int) -> int:
    """From when on there are rows of five minutes."""
    return now_ns - FINE_DAYS * 86_400 * NS


def done_key(connection: Connection) -> int:
    """Key of the last verdict that was counted."""
    return connection.execute(select(CHART_PROGRESS.c.done_key)).scalar_one_or_none() or 0


def num_waiting(connection: Connection) -> int:
    """About how many verdicts are not counted yet: keys have few gaps."""
    newest = connection.execute(select(func.max(_T.key))).scalar_one_or_none() or 0
    return max(newest - done_key(connection), 0)


def latency_bin(milliseconds: float) -> int:
    return min(max(math.floor(BINS_PER_OCTAVE * math.log2(max(milliseconds, 1.0))), 0), MAX_LATENCY_BIN)


def latency_of_bin(number: int) -> float:
    """The middle of a bin in milliseconds: at most 5 % off."""
    return float(2 ** ((number + 0.5) / BINS_PER_OCTAVE))


def score_bin(score: float) -> int:
    return min(max(math.floor(score * NUM_SCORE_BINS), 0), NUM_SCORE_BINS - 1)


def _places(row: Judged, sensors: Iterable[tuple[str, int]]) -> Iterator[Place]:
    """The rows that one verdict is counted in."""
    names = row.line, row.station, row.product, row.bundle_digest
    for grain_s in (FINE_S, COARSE_S):
        when = grain_s, row.entry_ns // (grain_s * NS) * grain_s * NS
        yield Place(Kind.PIECES, *when, *names, row.defect_class, row.decision)
        yield Place(Kind.LATENCIES, *when, *names, "", latency_bin((row.publish_ns - row.capture_ns) / 1e6))
        if row.score is not None:
            yield Place(Kind.SCORES, *when, *names, "", score_bin(row.score))
        if row.pass_below is not None and row.fail_above is not None:
            yield Place(Kind.LIMITS, *when, *names, f"{row.pass_below!r} {row.fail_above!r}", 0)
        for sensor, state in sensors:
            yield Place(Kind.SENSORS, *when, *names, sensor, state)


def _sensors(connection: Connection, keys: Sequence[int]) -> dict[int, list[tuple[str, int]]]:
    """Sensors that were not present, by the verdict's key."""
    by_key: dict[int, list[tuple[str, int]]] = {}
    if keys:
        table = VERDICT_SENSORS.c
        query = select(table.verdict_key, table.sensor, table.state).where(table.verdict_key.between(keys[0], keys[-1]))
        for key, sensor, state in connection.execute(query):
            by_key.setdefault(key, []).append((sensor, state))
    return by_key


def _move(connection: Connection, before: int, done: int) -> bool:
    """False where another process has counted these verdicts."""
    if before == 0:
        row = insert(connection, CHART_PROGRESS).values(name=_NAME, done_key=0)
        connection.execute(row.on_conflict_do_nothing())
    moved = update(CHART_PROGRESS).where(CHART_PROGRESS.c.done_key == before).values(done_key=done)
    return connection.execute(moved).rowcount == 1


def _add(connection: Connection, counts: Counter[Place]) -> None:
    statement = insert(connection, CHART_COUNTS)
    keys = list(CHART_COUNTS.primary_key)
    added = {"count": CHART_COUNTS.c.count + statement.excluded["count"]}
    rows = [{**place._asdict(), "count": count} for place, count in sorted(counts.items())]
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=added), rows)
