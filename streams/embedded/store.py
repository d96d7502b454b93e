"""Turns outputs into rows of one SQLite file and rows into records.

Offsets are the row ids of one sequence for all topics: they grow, with gaps, and are never used twice. Writers take
turns, so that rows become visible in the order of their ids.
"""

import heapq
import json
import logging
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from streams.embedded import schema
from streams.embedded.connection import Connection
from streams.embedded.errors import damaged
from streams.log import LogError
from streams.records import CONTROL_KIND, INPUT_KINDS, Output, Record, TopicPartition

log = logging.getLogger("inspector.streams.embedded")

_MAX_KEY_BYTES = 64 * 2**10
_RECORD = """
SELECT CASE WHEN typeof(key) = 'blob' AND length(key) <= ? THEN key ELSE x'' END,
  CASE WHEN typeof(type) = 'text' THEN substr(type, 1, 256) ELSE '' END,
  CASE WHEN typeof(append_ns) = 'integer' THEN append_ns ELSE 0 END,
  CASE WHEN typeof(value) = 'blob' THEN length(value) ELSE 0 END,
  CASE WHEN typeof(value) = 'blob' AND length(value) <= ? THEN value ELSE x'' END
FROM records WHERE id = ?"""
"""Checks the types first: another program or a flipped bit may have changed the row."""
_HAS_KIND = """
SELECT EXISTS (SELECT 1 FROM topics WHERE name LIKE ?
  AND EXISTS (SELECT 1 FROM records WHERE topic = topics.id AND records.id >= ?))"""
_NO_HOLD = 2**62
"""Nothing protects an output topic until a memo names the verdicts that a successor reads back."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A row of the table of topics. Records below `hold` may be deleted, records below `floor` are."""

    id: int
    name: str
    hold: int
    floor: int
    floor_ns: int
    bytes: int
    """Size of its records, with their page space."""

    @property
    def kind(self) -> str:
        return self.name.rpartition(".")[2]

    @property
    def partition(self) -> TopicPartition:
        return TopicPartition(self.name, 0)


def size_of(output: Output) -> int:
    return len(output.key) + len(output.value) + schema.ROW_BYTES


class Store(Connection):
    """Topics and records of a file. Not for several threads at once: every user opens a separate one."""

    def end(self) -> int:
        """Offset that the next record gets at least."""
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'records'").fetchone()
        return 1 if row is None else int(row[0]) + 1

    def log_identity(self) -> str:
        """Distinguishes this log from every other; empty where another program removed it."""
        row = self._db.execute(f"SELECT id FROM {schema.IDENTITY_TABLE}").fetchone()  # noqa: S608
        return row[0] if row is not None and isinstance(row[0], str) else ""

    def live_bytes(self) -> int:
        pages = self._number("PRAGMA page_count") - self._number("PRAGMA freelist_count")
        return pages * self._number("PRAGMA page_size")

    def topics(self, suffix: str = "") -> list[Topic]:
        rows = self._db.execute("SELECT id, name, hold, floor, floor_ns, bytes FROM topics ORDER BY id")
        return [topic for topic in map(self._topic, rows) if topic.name.endswith(suffix)]

    def topic(self, name: str) -> Topic:
        """The topic; creates it if it is new (within `write`)."""
        hold = 0 if name.endswith(tuple(f".{kind}" for kind in (*INPUT_KINDS, CONTROL_KIND))) else _NO_HOLD
        self.execute("INSERT OR IGNORE INTO topics (name, hold) VALUES (?, ?)", name, hold)
        return self.known_topic(name)

    def known_topic(self, name: str) -> Topic:
        row = self.execute("SELECT id, name, hold, floor, floor_ns, bytes FROM topics WHERE name = ?", name).fetchone()
        return self._topic(row)

    def _topic(self, row: tuple[object, ...]) -> Topic:
        """Raises LogError: without its topics a log cannot be read."""
        topic_id, name, *numbers = row
        if not isinstance(name, str) or not all(isinstance(number, int) for number in numbers):
            raise damaged(self.path, f"topic {topic_id} is {row[1:]!r}")
        return Topic(*row)  # type: ignore[arg-type]  # as just checked

    def append(self, outputs: Sequence[Output]) -> dict[TopicPartition, int]:
        """Appends in this order (within `write`); returns the end offset of every topic written."""
        now_ns = time.time_ns()  # unadjusted, even if the clock was set back: the join measures delays by it
        topics = {name: self.topic(name).id for name in {output.topic for output in outputs}}
        ends: dict[TopicPartition, int] = {}
        sizes: Counter[int] = Counter()
        for output in outputs:
            topic_id = topics[output.topic]
            if output.topic.endswith(f".{CONTROL_KIND}"):  # compacted at once: only the last record of a key counts
                for row in self.execute("SELECT id FROM records WHERE topic = ? AND key = ?", topic_id, output.key):
                    self.delete(topic_id, row[0])
            inserted = self.execute(
                "INSERT INTO records (topic, append_ns, type, key, value) VALUES (?, ?, ?, ?, ?)",
                topic_id,
                now_ns,
                output.type,
                output.key,
                output.value,
            )
            sizes[topic_id] += size_of(output)
            ends[TopicPartition(output.topic, 0)] = (inserted.lastrowid or 0) + 1
        for topic_id, size in sizes.items():
            self.execute("UPDATE topics SET bytes = bytes + ? WHERE id = ?", size, topic_id)
        return ends

    def check_sizes(self, outputs: Sequence[Output]) -> None:
        """Raises LogError."""
        limit = self._settings.max_record_bytes
        for output in outputs:
            if len(output.value) > limit:
                raise LogError(
                    f"a record of {len(output.value)} bytes for {output.topic} is refused, max_record_bytes = {limit}: "
                    "send smaller records, or raise max_record_bytes"
                )
            if len(output.key) > _MAX_KEY_BYTES:
                raise LogError(
                    f"a record for {output.topic} has a key of {len(output.key)} bytes, expected at most "
                    f"{_MAX_KEY_BYTES}: the key is the station's name"
                )

    def delete(self, topic_id: int, offset: int) -> None:
        self.execute(
            "UPDATE topics SET bytes = max(0, bytes - ifnull((SELECT ifnull(length(key), 0) + ifnull(length(value), 0) "
            "+ ? FROM records WHERE id = ?), 0)) WHERE id = ?",
            schema.ROW_BYTES,
            offset,
            topic_id,
        )
        self.execute("DELETE FROM records WHERE id = ?", offset)

    def ids(self, topic: Topic, start: int, limit: int) -> list[int]:
        """Offsets of the topic's next records, from the index alone."""
        rows = self.execute(
            "SELECT id FROM records WHERE topic = ? AND id >= ? ORDER BY id LIMIT ?", topic.id, start, limit
        )
        return [row[0] for row in rows]

    def next_ids(
        self, topics: Sequence[Topic], starts: Mapping[TopicPartition, int], limit: int
    ) -> Iterable[tuple[int, int]]:
        """(Offset, id of the topic) of up to `limit` next records of each topic, in the order of all offsets."""
        return heapq.merge(
            *([(offset, topic.id) for offset in self.ids(topic, starts[topic.partition], limit)] for topic in topics)
        )

    def has_kind(self, suffix: str, start: int) -> bool:
        """Whether a topic with this end of its name, known or new, has a record from `start` on; outside of `read`."""
        with self._translated():
            return bool(self._number(_HAS_KIND, f"%{suffix}", start))

    def sizes(self, name: str, offsets: Sequence[int]) -> dict[int, int]:
        """Bytes of the values of a topic's records at these offsets; absent for offsets without one."""
        rows = self.execute(
            "SELECT records.id, ifnull(length(records.value), 0) FROM records JOIN topics ON topics.id = topic "
            "WHERE records.id IN (SELECT value FROM json_each(?)) AND name = ?",
            json.dumps(list(offsets)),
            name,
        )
        return dict(rows.fetchall())

    def first_since(self, topic: Topic, time_ns: int) -> int:
        """Offset of the topic's first record appended at that time or later, or the end; looks at about 30 records.
        Where the clock was set back, at one of the places that the time may mean."""
        low, high = topic.floor, self.end()
        while low < high:
            row = self.execute(
                "SELECT id, append_ns FROM records WHERE topic = ? AND id >= ? ORDER BY id LIMIT 1",
                topic.id,
                middle := (low + high) // 2,
            ).fetchone()
            if row is None or row[1] >= time_ns:
                high = middle
            else:
                low = row[0] + 1
        return low

    def count(self, topic: Topic, start: int, limit: int) -> int:
        """Number of records of the topic from `start` on, counted up to `limit`."""
        return self._number(
            "SELECT count(*) FROM (SELECT 1 FROM records WHERE topic = ? AND id >= ? LIMIT ?)", topic.id, start, limit
        )

    def record(self, topic: Topic, offset: int) -> Record:
        """One record. Unreadable parts of a damaged one are empty: decoding rejects it, and the line continues."""
        try:
            row = self.execute(_RECORD, _MAX_KEY_BYTES, self._settings.max_record_bytes, offset).fetchone()
            size = 0 if row is None else row[3]
            value = self._head(offset) if size > self._settings.max_record_bytes else None
        except sqlite3.DatabaseError as exc:
            if getattr(exc, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_CORRUPT:
                raise
            row, value, size = None, None, 0
        if row is None:
            log.error(
                "Record %d of %s is skipped: %s.", offset, topic.name, damaged(self.path, "its page is unreadable")
            )
            return Record(topic.name, 0, offset, b"", b"", "", 0)
        key, kind, append_ns, _, whole = row
        return Record(topic.name, 0, offset, key, whole if value is None else value, kind, append_ns)

    def _head(self, offset: int) -> bytes:
        """The first bytes of a value that is too large, one more than allowed."""
        with self._db.blobopen("records", "value", offset, readonly=True) as blob:
            return blob.read(self._settings.max_record_bytes + 1)

    def some(self, offsets: Iterable[tuple[int, int]], topics: Sequence[Topic]) -> tuple[list[Record], bool]:
        """Records at these (offset, id of a topic), within the bounds of one poll, and whether those are all."""
        by_id = {topic.id: topic for topic in topics}
        records: list[Record] = []
        num_bytes = 0
        for offset, topic_id in offsets:
            if len(records) >= self._settings.max_poll_records or num_bytes >= self._settings.max_poll_bytes:
                return records, False
            records.append(self.record(by_id[topic_id], offset))
            num_bytes += len(records[-1].value)
        return records, True
