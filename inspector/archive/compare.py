"""Compares verdicts of the log with the rows that are stored for them, one by one."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from sqlalchemy import Connection, RowMapping, Table, select

from inspector.archive.body import BodyError, StoredVerdict, unpack
from inspector.archive.positions import known_topics
from inspector.archive.schema import (
    HEAT_MAPS,
    POSITIONS,
    REMOVED,
    TOPICS,
    VERDICT_BODIES,
    VERDICT_SENSORS,
    VERDICTS,
)
from inspector.archive.verdict_row import AbsentSensor, verdict_row
from inspector.archive.write import Place, place_of
from inspector.verdicts.feed import Position
from inspector.verdicts.ring import Entry
from protos.inspection.v1.verdict_pb2 import Verdict
from streams.records import TopicPartition

_T = VERDICTS.c
FOLLOWER = "verdicts"
MAX_ROWS = 50_000
"""Of one stretch: a batch of the log has far fewer, and rows without a record are removed in several passes."""
_KEYS_AT_ONCE = 1000


class Kind(Enum):
    MISSING = "missing"
    DIFFERENT = "different"
    EXTRA = "extra"


@dataclass(frozen=True, slots=True)
class Difference:
    kind: Kind
    source: TopicPartition
    offset: int
    detail: str
    """The piece, and which columns or parts differ."""
    key: int | None = None
    """Of the stored row."""
    entry: Entry | None = None
    """The content of the log."""


@dataclass
class Tally:
    """The result of a comparison."""

    equal: int = 0
    pending: int = 0
    """Verdicts that the archive has not come to yet."""
    removed: int = 0
    """Verdicts that retention has removed."""
    differences: dict[Kind, int] = field(default_factory=dict)

    @property
    def is_clean(self) -> bool:
        return not self.differences

    def add(self, difference: Difference) -> None:
        self.differences[difference.kind] = self.differences.get(difference.kind, 0) + 1


class Comparer:
    """Compares batch after batch of one pass over the log. Reads only."""

    def __init__(self, connection: Connection, *, pending_is_missing: bool = False) -> None:
        self.tally = Tally()
        self._pending_is_missing = pending_is_missing
        self._removed_ns: Mapping[int, int] = {
            row.decision: row.until_ns for row in connection.execute(select(REMOVED))
        }
        self._oldest_ns: dict[TopicPartition, int] = {}
        self._next: dict[TopicPartition, int] = {}

    def differences(self, connection: Connection, entries: Sequence[Entry]) -> Iterator[Difference]:
        by_source: dict[TopicPartition, list[Entry]] = {}
        for entry in entries:
            by_source.setdefault(entry.source, []).append(entry)
        positions = _positions(connection)
        for source, batch in by_source.items():
            self._oldest_ns.setdefault(source, batch[0].append_ns)
            first = self._next.get(source, batch[0].offset)
            self._next[source] = batch[-1].offset + 1
            stored = _Stored(connection, source, first, batch[-1].offset)
            for difference in self._compare(stored, batch, positions.get(source, 0)):
                self.tally.add(difference)
                yield difference

    def extras_behind(
        self, connection: Connection, end: Position, newest_end: Callable[[], Position]
    ) -> Iterator[Difference]:
        """Rows without a record behind the last one that was compared; call it at the end of the pass, which read up
        to `end`. Rows that the archive stored meanwhile lie below the end that the log has now."""
        for source, first in self._next.items():
            stored = _Stored(connection, source, first, None)
            now = newest_end().get(source, 0)
            for difference in self._extras(stored, ()):
                if not end.get(source, 0) <= difference.offset < now:
                    self.tally.add(difference)
                    yield difference

    def _compare(self, stored: "_Stored", batch: Sequence[Entry], next_offset: int) -> Iterator[Difference]:
        topics = {stored.source.topic: stored.topic_id}
        places = {place_of(entry, topics): entry for entry in batch}
        for place, entry in places.items():
            row = stored.rows.get(place)
            if row is None:
                if (missing := self._missing(entry, next_offset)) is not None:
                    yield missing
                continue
            key = int(row["key"])
            if differing := stored.differing(row, entry):
                text = f"{entry.inspection}: {', '.join(differing)}"
                yield Difference(Kind.DIFFERENT, entry.source, entry.offset, text, key, entry)
            else:
                self.tally.equal += 1
        yield from self._extras(stored, places.keys())

    def _missing(self, entry: Entry, next_offset: int) -> Difference | None:
        verdict = Verdict.FromString(entry.value)
        if verdict.entry_ns <= self._removed_ns.get(verdict.decision, -1):
            self.tally.removed += 1
        elif entry.offset >= next_offset and not self._pending_is_missing:
            self.tally.pending += 1
        else:
            return Difference(Kind.MISSING, entry.source, entry.offset, str(entry.inspection), None, entry)
        return None

    def _extras(self, stored: "_Stored", places: Iterable[Place]) -> Iterator[Difference]:
        """Rows that are older than the log's oldest record are of an earlier topic of this name."""
        known = set(places)
        for place, row in stored.rows.items():
            if place not in known and place.append_ns >= self._oldest_ns[stored.source]:
                named = f"{row['line']}/{row['station']}/{row['piece_id']}#{row['pass_number']}"
                yield Difference(Kind.EXTRA, stored.source, place.offset, named, int(row["key"]))


class _Stored:
    """The rows of a stretch of one partition, with their parts."""

    def __init__(self, connection: Connection, source: TopicPartition, first: int, last: int | None) -> None:
        self.source = source
        self.topic_id = known_topics(connection, [source.topic]).get(source.topic, -1)
        is_in = (_T.topic_id == self.topic_id, _T.partition == source.partition, _T.offset >= first)
        query = select(VERDICTS).where(*is_in).order_by(_T.offset).limit(MAX_ROWS)
        query = query if last is None else query.where(_T.offset <= last)
        self.rows: dict[Place, RowMapping] = {
            Place(row["topic_id"], row["partition"], row["offset"], row["append_ns"]): row
            for row in connection.execute(query).mappings()
        }
        keys = [int(row["key"]) for row in self.rows.values()]
        self._bodies = {row["verdict_key"]: bytes(row["body"]) for row in _of(connection, VERDICT_BODIES, keys)}
        self._maps: dict[int, dict[int, bytes]] = {}
        for row in _of(connection, HEAT_MAPS, keys):
            self._maps.setdefault(row["verdict_key"], {})[row["image"]] = bytes(row["png"])
        self._sensors: dict[int, set[AbsentSensor]] = {}
        for row in _of(connection, VERDICT_SENSORS, keys):
            sensor = AbsentSensor(row["sensor"], row["state"], row["reason"])
            self._sensors.setdefault(row["verdict_key"], set()).add(sensor)

    def differing(self, row: RowMapping, entry: Entry) -> list[str]:
        """Names of the columns and parts that are not as the log's record makes them."""
        key, expected = int(row["key"]), verdict_row(entry)
        names = [name for name, value in expected.columns.items() if name != "stored_bytes" and row[name] != value]
        if self._sensors.get(key, set()) != set(expected.sensors):
            names.append("sensors")
        return names if self._is_whole(key, entry) else [*names, "body"]

    def _is_whole(self, key: int, entry: Entry) -> bool:
        body = self._bodies.get(key)
        if body is None:
            return False
        try:
            return unpack(StoredVerdict(body, self._maps.get(key, {}))) == Verdict.FromString(entry.value)
        except BodyError:
            return False


def _of(connection: Connection, table: Table, keys: Sequence[int]) -> Iterator[RowMapping]:
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        some = keys[start : start + _KEYS_AT_ONCE]
        yield from connection.execute(select(table).where(table.c.verdict_key.in_(some))).mappings()


def _positions(connection: Connection) -> dict[TopicPartition, int]:
    query = (
        select(TOPICS.c.name, POSITIONS.c.partition, POSITIONS.c.next_offset)
        .join(TOPICS)
        .where(POSITIONS.c.follower == FOLLOWER)
    )
    return {TopicPartition(row.name, row.partition): row.next_offset for row in connection.execute(query)}
