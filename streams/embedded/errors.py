"""Turns an error of SQLite into one that says what happened, whether waiting helps, and what to do."""

import sqlite3
from pathlib import Path

from streams.log import LogError, LogLostError, LogUnavailableError

_PRIMARY = 0xFF
"""The low byte of an extended code is the code that SQLite documents; see https://www.sqlite.org/rescode.html"""
_WRITE_LOCK_BYTE = 120
"""SQLite marks the one writer of a WAL file by a lock of this byte of the file `-shm`."""

_PASSING = {
    sqlite3.SQLITE_FULL: "the disk is full: make room on it",
    sqlite3.SQLITE_IOERR: "the disk does not read or write: check the disk and the system's log",
    sqlite3.SQLITE_READONLY: "it cannot be written: check its rights, and whether its file system is mounted read-only",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: check its rights, its folder, and the limit of open files",
    sqlite3.SQLITE_PERM: "the system refuses access: check its rights",
    sqlite3.SQLITE_NOMEM: "this machine has no memory left: stop programs that use much of it",
    sqlite3.SQLITE_PROTOCOL: "other processes hold its locks: end those that should not use it",
    sqlite3.SQLITE_INTERRUPT: "the statement was interrupted",
}
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def translate(path: Path, exc: sqlite3.Error, busy_s: float) -> LogError:
    """LogUnavailableError where waiting may help, else LogLostError, which ends every program that uses the log."""
    code = getattr(exc, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return LogUnavailableError(
            f"{path}: another process{_writer(path)} has held the write lock for {busy_s:.3g} s ({exc}): end that "
            "process or its transaction (a backup, a database shell)"
        )
    if code in _PASSING:
        return LogUnavailableError(f"{path}: {_PASSING[code]} ({exc})")
    if code in _DAMAGED:
        return damaged(path, str(exc))
    return LogLostError(
        f"{path}: {exc}, expected the tables of this log: check which other program writes into the file"
    )


def damaged(path: Path, damage: str) -> LogLostError:
    return LogLostError(
        f"{path} is damaged ({damage}): stop the service, check the disk, keep a copy of the file with its -wal, then "
        f"restore the rest (`sqlite3 {path.name} .recover`) or move it aside and start with an empty log"
    )


def _writer(path: Path) -> str:
    """The process that holds the write lock, from the kernel's table of locks; empty where the table does not show
    it."""
    try:
        inode = path.with_name(f"{path.name}-shm").stat().st_ino
        locks = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return ""
    for line in locks:  # 1: POSIX  ADVISORY  WRITE 4711 fe:00:131 120 120
        fields = line.split()
        if len(fields) == 8 and fields[3] == "WRITE" and fields[5].endswith(f":{inode}"):
            first, last = fields[6], fields[7]
            if int(first) <= _WRITE_LOCK_BYTE and (last == "EOF" or int(last) >= _WRITE_LOCK_BYTE):
                return f" (number {fields[4]})" if fields[4] not in ("0", "-1") else ""
    return ""
