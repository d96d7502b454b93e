"""Checks that a path holds a log, or nothing, before anything is written; detects later that the file was replaced."""

import os
import sqlite3
import stat
import tempfile
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from streams.embedded.errors import translate
from streams.log import LogError, LogLostError, LogUnavailableError

APPLICATION_ID = 0x696E7370
"""The letters `insp`; `file` and `PRAGMA application_id` show it."""
VERSION = 2
_MIN_BYTES = 512
"""A smaller file holds no page: SQLite would overwrite it as if it were empty."""
TABLES = frozenset({"topics", "records", "positions", "leases", "flushes"})


class Content(NamedTuple):
    """The marks that show which program a database belongs to."""

    application_id: int
    version: int
    tables: frozenset[str]

    @property
    def is_empty(self) -> bool:
        return (self.application_id, self.version, self.tables) == (0, 0, frozenset())

    @property
    def is_log(self) -> bool:
        """Version 1 had no application id."""
        if self.application_id == 0:
            return self.version == 1 and self.tables >= TABLES
        return self.application_id == APPLICATION_ID


Inode = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Identity:
    """The inodes of a log: the file itself, its WAL and its index. No other file gets these numbers while they are
    open."""

    inodes: tuple[Inode | None, ...]
    is_empty: bool = False
    """Whether the file has no content: it was truncated, because every log has tables from its first commit on."""


def uri(path: Path, options: str) -> str:
    return f"{path.absolute().as_uri()}?{options}"


def watched_paths(path: Path) -> tuple[Path, ...]:
    """The file, its WAL and its index. SQLite keeps these next to the file that a link leads to."""
    real = path.resolve()
    return (path, *(real.with_name(f"{real.name}{suffix}") for suffix in ("-wal", "-shm")))


def identity(paths: Iterable[Path]) -> Identity:
    """The inodes at these paths, the log's own first; None for a path without a file. Raises LogUnavailableError."""
    statuses = [_status(path) for path in paths]
    inodes = tuple(None if status is None else (status.st_dev, status.st_ino) for status in statuses)
    return Identity(inodes, statuses[0] is not None and statuses[0].st_size == 0)


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as exc:
        raise LogUnavailableError(
            f"{path}: the system cannot look it up ({exc.strerror}): check the disk and the rights on its folder"
        ) from exc


def lost(path: Path) -> LogLostError:
    return LogLostError(
        f"{path} was deleted, moved, replaced or emptied, or its -wal or -shm was, while this process used it: stop "
        "everything that uses this log, then restore the file with its -wal, or start again with an empty log"
    )


def content_of(db: sqlite3.Connection) -> Content:
    tables = frozenset(name for (name,) in db.execute("SELECT name FROM sqlite_master"))
    (application_id,), (version,) = (
        db.execute(f"PRAGMA {pragma}").fetchone() for pragma in ("application_id", "user_version")
    )
    return Content(application_id, version, tables - {"sqlite_sequence"})


def check_file(path: Path) -> None:
    """Raises LogError where `path` holds anything but a log. Accepts a free name. Writes nothing."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return
    except OSError as exc:
        raise LogError(f"{path}: {exc.strerror}, expected a file or a free name: choose another path") from exc
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        raise LogError(f"{path} is {kind}, expected a file or a free name: name a file in it, or another path")
    if 0 < status.st_size < _MIN_BYTES:
        raise _no_database(path)
    if status.st_size:
        check_content(path, _peek(path))


def check_place(path: Path) -> None:
    """Raises LogError where `EmbeddedLog` could not open or create a log at `path`. Leaves nothing behind."""
    folder = next(parent for parent in path.parents if os.path.lexists(parent))
    if not folder.is_dir():
        raise LogError(f"{path}: {folder} is not a folder, expected one or a free name: choose another path")
    check_file(path)
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as exc:
        raise LogError(
            f"{path}: cannot create a file in {folder} ({exc.strerror}): check its rights and its disk, or choose "
            "another path"
        ) from exc
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        raise LogError(f"{path} must be readable and writable for this user: check its rights")


def _no_database(path: Path) -> LogError:
    return LogError(f"{path} is not a database, expected a log or a free name: choose another path")


def check_content(path: Path, content: Content) -> None:
    """Raises LogError."""
    if not (content.is_empty or content.is_log):
        raise LogError(
            f"{path} is the database of another program (application id {content.application_id}, version "
            f"{content.version}, tables {', '.join(sorted(content.tables)[:5]) or 'none'}), expected a log of this "
            "program or a free name: choose another path; the file is unchanged"
        )
    if content.version > VERSION:
        raise LogError(
            f"{path} is a log of version {content.version}, expected at most {VERSION}: choose another path, or update "
            "this program"
        )


def _peek(path: Path) -> Content:
    """`immutable` takes no lock and creates no file, but ignores the WAL: a log without a checkpoint looks empty."""
    try:
        with closing(sqlite3.connect(uri(path, "immutable=1"), uri=True)) as db:
            content = content_of(db)
        wal = path.resolve().with_name(f"{path.resolve().name}-wal")
        if content.is_empty and wal.exists() and wal.stat().st_size:
            with closing(sqlite3.connect(uri(path, "mode=ro"), uri=True)) as db:
                content = content_of(db)
    except sqlite3.DatabaseError as exc:
        if getattr(exc, "sqlite_errorcode", 0) == sqlite3.SQLITE_NOTADB:
            raise _no_database(path) from exc
        raise translate(path, exc, 0.0) from exc
    return content
