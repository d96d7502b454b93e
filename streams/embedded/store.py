"""Turns outputs into rows of one SQLite file and rows into records. Knows neither leases nor positions.

Offsets are the row ids of one sequence for all topics: they grow, with gaps, and are never used twice. Writers take
turns, so that rows become visible in the order of their ids.
"""

import logging
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from streams.embedded import schema
from streams.embedded.errors import damaged, translate
from streams.embedded.file import (
    VERSION,
    Identity,
    check_content,
    check_file,
    content_of,
    identity,
    lost,
    uri,
    watched_paths,
)
from streams.log import LogError, LogUnavailableError
from streams.records import CONTROL_KIND, INPUT_KINDS, Output, Record, TopicPartition

log = logging.getLogger("inspector.streams.embedded")

_QUIET_S = 1.0
_MAX_KEY_BYTES = 64 * 2**10
_RECORD = """
SELECT CASE WHEN typeof(key) = 'blob' AND length(key) <= ? THEN key ELSE x'' END,
  CASE WHEN typeof(type) = 'text' THEN substr(type, 1, 256) ELSE '' END,
  CASE WHEN typeof(append_ns) = 'integer' THEN append_ns ELSE 0 END,
  CASE WHEN typeof(value) = 'blob' THEN length(value) ELSE 0 END,
  CASE WHEN typeof(value) = 'blob' AND length(value) <= ? THEN value ELSE x'' END
FROM records WHERE id = ?"""
"""A row of what another program, or a flipped bit, has made of it: types are checked before anything is read."""
_NO_HOLD = 2**62
"""An output topic is held by nothing until a memo names the verdicts that a successor reads back."""


@dataclass(frozen=True, slots=True)
class EmbeddedSettings:
    """How much the file keeps, how long an owner may be silent, and how much one poll gives."""

    max_bytes: int = 4 * 2**30
    """Bytes of live records; older ones are deleted above it, never those that are still needed."""
    max_age_s: float = 7 * 86_400.0
    lease_s: float = 10.0
    """An owner silent for this long may be followed by another."""
    busy_s: float = 30.0
    """How long to wait for other writers, and a publisher for a disk that takes nothing."""
    max_record_bytes: int = 8 * 2**20
    """A larger value is not appended; of one that another program has put there, so much is read."""
    max_poll_bytes: int = 16 * 2**20
    """A poll gives no more records above it: at most this and one record."""
    max_poll_records: int = 500
    max_wal_bytes: int = 256 * 2**20
    """Publishers wait while the file -wal is larger: 16 MiB are usual, and it grows while another program reads one
    state of the log for long."""
    look_s: float = 0.005
    """How often a waiting poll looks for new records; half as often once nothing has come for a second."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A row of the table of topics. Rows below `hold` may be deleted, rows below `floor` are."""

    id: int
    name: str
    hold: int
    floor: int
    floor_ns: int
    bytes: int
    """What its records take, with a share of pages."""

    @property
    def kind(self) -> str:
        return self.name.rpartition(".")[2]

    @property
    def partition(self) -> TopicPartition:
        return TopicPartition(self.name, 0)


def size_of(output: Output) -> int:
    return len(output.key) + len(output.value) + schema.ROW_BYTES


class Store:
    """One connection to the file. One thread at a time uses it; every user opens its own."""

    def __init__(self, path: Path, settings: EmbeddedSettings, expected: Identity | None = None) -> None:
        """`expected`: the file that must lie at `path`; without it a new one is made. Raises LogError."""
        self.path = path
        self._settings = settings
        self._changed_s = time.monotonic()
        if expected is None:
            check_file(path)
        elif identity([path]) != expected:
            raise lost(path)
        with self._translated():
            mode = "rwc" if expected is None else "rw"
            self._db = sqlite3.connect(
                uri(path, f"mode={mode}"),
                uri=True,
                timeout=settings.busy_s,
                isolation_level=None,
                check_same_thread=False,
            )
        try:
            with self._translated():
                self._open()
            self._watched = watched_paths(path)
            self._identity = identity(self._watched)
        except BaseException:
            self._db.close()
            raise

    def _open(self) -> None:
        self._db.text_factory = lambda text: text.decode(errors="replace")  # a flipped bit is no error of reading
        self._db.execute("PRAGMA page_size = 16384")
        self._fill()
        self._switch_to_wal()
        self._db.execute(f"PRAGMA journal_size_limit = {64 * 2**20}")
        content_of(self._db)

    def _fill(self) -> None:
        """Makes the tables where there are none, before the file's journal is changed: another program's file is left
        as it was."""
        content = content_of(self._db)
        if content.version == VERSION and content.is_log:
            return
        self._db.execute("BEGIN IMMEDIATE")
        with self._db:
            content = content_of(self._db)
            check_content(self.path, content)
            if content.is_empty:
                schema.create(self._db)
            elif content.version < VERSION:
                schema.upgrade(self._db)
                log.info("%s was a log of version %d and is one of version %d now", self.path, content.version, VERSION)

    def _switch_to_wal(self) -> None:
        """SQLite does not wait its turn for this one change, so that two first users of a file collide."""
        deadline_s = time.monotonic() + self._settings.busy_s
        while True:
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as exc:
                if exc.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline_s:
                    raise
                time.sleep(0.01)
            else:
                return

    @contextmanager
    def write(self, *, durable: bool, busy_s: float | None = None) -> Iterator[None]:
        """One transaction, alone among all processes; `durable` puts it, and all before it, on the disk. `busy_s` None
        waits for other writers as long as the settings say."""
        busy_s = self._settings.busy_s if busy_s is None else busy_s
        self.check_file()
        with self._translated(busy_s):
            self._db.execute(f"PRAGMA busy_timeout = {round(busy_s * 1000)}")
            self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._db.execute("BEGIN IMMEDIATE")
            with self._db:
                yield

    @contextmanager
    def read(self) -> Iterator[None]:
        """One view of the file that no writer changes."""
        self.check_file()
        with self._translated():
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                self._db.rollback()  # a commit fails once a damaged page was met

    @contextmanager
    def _translated(self, busy_s: float | None = None) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as exc:
            raise translate(self.path, exc, self._settings.busy_s if busy_s is None else busy_s) from exc

    def check_file(self) -> None:
        """Raises LogError where the file is not the one that was opened: what is written would be read by nobody."""
        if identity(self._watched) != self._identity:
            raise lost(self.path)

    def execute(self, sql: str, *values: str | int | bytes) -> sqlite3.Cursor:
        return self._db.execute(sql, values)

    def _number(self, sql: str, *values: str | int) -> int:
        (value,) = self._db.execute(sql, values).fetchone()
        return int(value)

    def changes_seen(self) -> int:
        """A number that another connection's commit changes; costs microseconds."""
        with self._translated():
            return self._number("PRAGMA data_version")

    def wait(self, seen: int, deadline_s: float) -> None:
        """Returns when another connection has committed since `changes_seen` gave `seen`, or at the deadline."""
        look_s = self._settings.look_s
        while (left_s := deadline_s - time.monotonic()) > 0:
            if self.changes_seen() != seen:
                self._changed_s = time.monotonic()
                return
            quiet = time.monotonic() - self._changed_s > _QUIET_S
            time.sleep(min(left_s, look_s * 2 if quiet else look_s))

    def end(self) -> int:
        """Offset that the next record gets at least."""
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'records'").fetchone()
        return 1 if row is None else int(row[0]) + 1

    def live_bytes(self) -> int:
        pages = self._number("PRAGMA page_count") - self._number("PRAGMA freelist_count")
        return pages * self._number("PRAGMA page_size")

    def topics(self, suffix: str = "") -> list[Topic]:
        rows = self._db.execute("SELECT id, name, hold, floor, floor_ns, bytes FROM topics ORDER BY id")
        return [Topic(*row) for row in rows if row[1].endswith(suffix)]

    def topic(self, name: str) -> Topic:
        """The topic, made where it is new (within `write`)."""
        hold = 0 if name.endswith(tuple(f".{kind}" for kind in (*INPUT_KINDS, CONTROL_KIND))) else _NO_HOLD
        self.execute("INSERT OR IGNORE INTO topics (name, hold) VALUES (?, ?)", name, hold)
        return self.known_topic(name)

    def known_topic(self, name: str) -> Topic:
        row = self.execute("SELECT id, name, hold, floor, floor_ns, bytes FROM topics WHERE name = ?", name).fetchone()
        return Topic(*row)

    def append(self, outputs: Sequence[Output]) -> dict[TopicPartition, int]:
        """Appends in this order (within `write`); returns the end offset of every topic written."""
        now_ns = time.time_ns()  # as it is, also after the clock was set back: the join measures delays by it
        topics = {name: self.topic(name).id for name in {output.topic for output in outputs}}
        ends: dict[TopicPartition, int] = {}
        for output in outputs:
            topic_id = topics[output.topic]
            if output.topic.endswith(f".{CONTROL_KIND}"):  # compacted at once: the last record of a key is what counts
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
            self.execute("UPDATE topics SET bytes = bytes + ? WHERE id = ?", size_of(output), topic_id)
            ends[TopicPartition(output.topic, 0)] = (inserted.lastrowid or 0) + 1
        return ends

    def check_wal(self) -> None:
        """Empties the WAL where it has grown too far. Raises LogUnavailableError where a reader keeps it from that."""
        wal = self._watched[1]
        try:
            size = wal.stat().st_size
        except OSError:
            return
        if size <= self._settings.max_wal_bytes:
            return
        with self._translated():
            self._db.execute("PRAGMA busy_timeout = 100")
            is_busy, _, _ = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if is_busy:
            raise LogUnavailableError(
                f"{wal} has grown to {size} bytes, for another program keeps reading one state of the log (a database "
                "shell or backup with an open transaction): end it"
            )

    def check_sizes(self, outputs: Sequence[Output]) -> None:
        """Raises LogError."""
        limit = self._settings.max_record_bytes
        for output in outputs:
            if len(output.value) > limit:
                raise LogError(
                    f"a record of {len(output.value)} bytes for {output.topic} is refused, max_record_bytes = {limit}: "
                    "send less, or raise max_record_bytes"
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

    def count(self, topic: Topic, start: int, limit: int) -> int:
        """How many records the topic holds from `start` on; counts no further than `limit`."""
        return self._number(
            "SELECT count(*) FROM (SELECT 1 FROM records WHERE topic = ? AND id >= ? LIMIT ?)", topic.id, start, limit
        )

    def record(self, topic: Topic, offset: int) -> Record:
        """A record as it stands there. A damaged one comes without what cannot be read: whoever decodes it refuses it,
        and the line goes on."""
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
                "record %d of %s is skipped: %s", offset, topic.name, damaged(self.path, "its page is unreadable")
            )
            return Record(topic.name, 0, offset, b"", b"", "", 0)
        key, kind, append_ns, _, whole = row
        return Record(topic.name, 0, offset, key, whole if value is None else value, kind, append_ns)

    def _head(self, offset: int) -> bytes:
        """The first bytes of a value that is too large, one more than is allowed, without reading the rest."""
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

    def records(self, topic: Topic, start: int) -> list[Record]:
        """All records of a topic from an offset on."""
        return [self.record(topic, offset) for offset in self.ids(topic, start, -1)]

    def close(self) -> None:
        self._db.close()
