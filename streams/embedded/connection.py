"""Opens the SQLite file of a log and runs transactions in it."""

import logging
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streams.deadline import Deadline
from streams.embedded import schema
from streams.embedded.errors import translate
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
from streams.embedded.settings import EmbeddedSettings
from streams.log import LogUnavailableError

log = logging.getLogger("inspector.streams.embedded")

_QUIET_S = 1.0


class Connection:
    """One connection to the file; waits for other writers, and raises a LogError for whatever SQLite reports."""

    def __init__(self, path: Path, settings: EmbeddedSettings, expected: Identity | None = None) -> None:
        """`expected`: the file that must lie at `path`; without it a missing file is created. Raises LogError."""
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
        """Creates the tables where there are none, before it changes the journal mode: another program's file stays
        unchanged."""
        content = content_of(self._db)
        if content.version == VERSION and content.is_log and schema.IDENTITY_TABLE in content.tables:
            return
        self._db.execute("BEGIN IMMEDIATE")
        with self._db:
            content = content_of(self._db)
            check_content(self.path, content)
            if content.is_empty:
                schema.create(self._db)
            elif content.version < VERSION:
                schema.upgrade(self._db)
                log.info("The log file %s had format %d and now has format %d.", self.path, content.version, VERSION)
            schema.add_identity(self._db)

    def _switch_to_wal(self) -> None:
        """SQLite does not wait for the lock in this one change: two first users of a file would collide."""
        deadline = Deadline.after(self._settings.busy_s)
        while True:
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as exc:
                if exc.sqlite_errorcode != sqlite3.SQLITE_BUSY or deadline.is_over:
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
        """A consistent view of the file: later commits are not visible in it."""
        self.check_file()
        with self._translated():
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                self._db.rollback()  # a commit fails after a damaged page

    @contextmanager
    def _translated(self, busy_s: float | None = None) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as exc:
            raise translate(self.path, exc, self._settings.busy_s if busy_s is None else busy_s) from exc

    def check_file(self) -> None:
        """Raises LogError where the path leads to another file than the one that is open: nobody would read new
        records."""
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

    def wait(self, seen: int, deadline: Deadline) -> None:
        """Returns when another connection has committed since `changes_seen` gave `seen`, or at the deadline."""
        look_s = self._settings.look_s
        while not deadline.is_over:
            if self.changes_seen() != seen:
                self._changed_s = time.monotonic()
                return
            is_quiet = time.monotonic() - self._changed_s > _QUIET_S
            deadline.sleep(look_s * 2 if is_quiet else look_s)

    def close(self) -> None:
        self._db.close()

    def check_wal(self) -> None:
        """Empties a WAL that has grown too large. Raises LogUnavailableError where a reader prevents that."""
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
                f"{wal} has grown to {size} bytes, because another program keeps reading one state of the log (a "
                "database shell or a backup with an open transaction): end that program"
            )
