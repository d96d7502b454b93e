"""Turns outputs into rows of one SQLite file and rows into records. Knows neither leases nor positions.

Offsets are the row ids of one sequence for all topics: they grow, with gaps, and are never used twice. Writers take
turns, so that rows become visible in the order of their ids.
"""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from streams.log import LogError, LogFullError
from streams.records import CONTROL_KIND, INPUT_KINDS, Output, Record, TopicPartition

_VERSION = 1
_SCHEMA = """
CREATE TABLE topics (
  id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, hold INTEGER NOT NULL,
  floor INTEGER NOT NULL DEFAULT 0, floor_ns INTEGER NOT NULL DEFAULT 0);
CREATE TABLE records (
  id INTEGER PRIMARY KEY AUTOINCREMENT, topic INTEGER NOT NULL, append_ns INTEGER NOT NULL, type TEXT NOT NULL,
  key BLOB NOT NULL, value BLOB NOT NULL);
CREATE INDEX records_of_topic ON records (topic, id);
CREATE TABLE positions (topic TEXT PRIMARY KEY, next INTEGER NOT NULL, memo TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE leases (
  line TEXT PRIMARY KEY, owner TEXT NOT NULL, epoch INTEGER NOT NULL, expires_ns INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE flushes (number INTEGER NOT NULL);
INSERT INTO flushes VALUES (0);
PRAGMA user_version = 1;
"""
_QUIET_S = 1.0
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
    """How long to wait for other writers."""
    max_poll_bytes: int = 16 * 2**20
    max_poll_records: int = 500
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

    @property
    def partition(self) -> TopicPartition:
        return TopicPartition(self.name, 0)


class Store:
    """One connection to the file. One thread at a time uses it; every user opens its own."""

    def __init__(self, path: Path, settings: EmbeddedSettings) -> None:
        self.path = path
        self._busy_s = settings.busy_s
        self._look_s = settings.look_s
        self._changed_s = time.monotonic()
        self._db = sqlite3.connect(path, timeout=settings.busy_s, isolation_level=None, check_same_thread=False)
        try:
            self._open()
        except BaseException:
            self._db.close()
            raise

    def _open(self) -> None:
        self._db.execute("PRAGMA page_size = 16384")
        with self._translated():
            self._switch_to_wal()
            self._db.execute(f"PRAGMA journal_size_limit = {64 * 2**20}")
        if self._number("PRAGMA user_version") == 0:
            self._create()
        if (version := self._number("PRAGMA user_version")) != _VERSION:
            raise LogError(f"{self.path} is a log of version {version}, expected {_VERSION}: name another file")

    def _switch_to_wal(self) -> None:
        """SQLite does not wait its turn for this one change, so that two first users of a file collide."""
        deadline_s = time.monotonic() + self._busy_s
        while True:
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as exc:
                if exc.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline_s:
                    raise
                time.sleep(0.01)
            else:
                return

    def _create(self) -> None:
        with self.write(durable=True):
            if self._number("PRAGMA user_version") == 0:
                for statement in _SCHEMA.split(";"):
                    self._db.execute(statement)

    @contextmanager
    def write(self, *, durable: bool) -> Iterator[None]:
        """One transaction, alone among all processes; `durable` puts it, and all before it, on the disk."""
        with self._translated():
            self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._db.execute("BEGIN IMMEDIATE")
            with self._db:
                yield

    @contextmanager
    def read(self) -> Iterator[None]:
        """One view of the file that no writer changes."""
        with self._translated():
            self._db.execute("BEGIN")
            with self._db:
                yield

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as exc:
            error = LogFullError if exc.sqlite_errorcode == sqlite3.SQLITE_FULL else LogError
            raise error(
                f"{self.path}: {exc}, expected a log that can be written: check the disk and its rights"
            ) from exc

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
        while (left_s := deadline_s - time.monotonic()) > 0:
            if self.changes_seen() != seen:
                self._changed_s = time.monotonic()
                return
            quiet = time.monotonic() - self._changed_s > _QUIET_S
            time.sleep(min(left_s, self._look_s * 2 if quiet else self._look_s))

    def end(self) -> int:
        """Offset that the next record gets at least."""
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'records'").fetchone()
        return 1 if row is None else int(row[0]) + 1

    def live_bytes(self) -> int:
        pages = self._number("PRAGMA page_count") - self._number("PRAGMA freelist_count")
        return pages * self._number("PRAGMA page_size")

    def topics(self, suffix: str = "") -> list[Topic]:
        rows = self._db.execute("SELECT id, name, hold, floor, floor_ns FROM topics ORDER BY id")
        return [Topic(*row) for row in rows if row[1].endswith(suffix)]

    def topic(self, name: str) -> Topic:
        """The topic, made where it is new (within `write`)."""
        hold = 0 if name.endswith(tuple(f".{kind}" for kind in (*INPUT_KINDS, CONTROL_KIND))) else _NO_HOLD
        self.execute("INSERT OR IGNORE INTO topics (name, hold) VALUES (?, ?)", name, hold)
        row = self.execute("SELECT id, name, hold, floor, floor_ns FROM topics WHERE name = ?", name).fetchone()
        return Topic(*row)

    def append(self, outputs: Sequence[Output]) -> dict[TopicPartition, int]:
        """Appends in this order (within `write`); returns the end offset of every topic written."""
        now_ns = time.time_ns()
        topics = {name: self.topic(name).id for name in {output.topic for output in outputs}}
        ends: dict[TopicPartition, int] = {}
        for output in outputs:
            if output.topic.endswith(f".{CONTROL_KIND}"):  # compacted at once: the last record of a key is what counts
                self.execute("DELETE FROM records WHERE topic = ? AND key = ?", topics[output.topic], output.key)
            inserted = self.execute(
                "INSERT INTO records (topic, append_ns, type, key, value) VALUES (?, ?, ?, ?, ?)",
                topics[output.topic],
                now_ns,
                output.type,
                output.key,
                output.value,
            )
            ends[TopicPartition(output.topic, 0)] = (inserted.lastrowid or 0) + 1
        return ends

    def ids(self, topic: Topic, start: int, limit: int) -> list[int]:
        """Offsets of the topic's next records, from the index alone."""
        rows = self.execute(
            "SELECT id FROM records WHERE topic = ? AND id >= ? ORDER BY id LIMIT ?", topic.id, start, limit
        )
        return [row[0] for row in rows]

    def record(self, topic: Topic, offset: int) -> Record:
        row = self.execute("SELECT key, value, type, append_ns FROM records WHERE id = ?", offset).fetchone()
        return Record(topic.name, 0, offset, *row)

    def records(self, topic: Topic, start: int) -> list[Record]:
        """All records of a topic from an offset on."""
        return [self.record(topic, offset) for offset in self.ids(topic, start, -1)]

    def close(self) -> None:
        self._db.close()
