"""Connections to one SQLite file: write-ahead file, flushed at every commit."""

import os
import sqlite3
from contextlib import suppress
from functools import partial
from pathlib import Path
from time import monotonic, sleep

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.pool import ConnectionPoolEntry

IS_WRITE = "is_write"
"""Execution option of a connection that is going to write."""
_PRIVATE_FILE = 0o600
RETRY_S = 0.01
_CACHE_KIB = 32 * 2**10
"""Page cache of each connection."""


def sqlite_engine(url: URL, max_connections: int, busy_s: float) -> Engine:
    """`busy_s`: how long a statement waits for another program's write, and a thread for a free connection."""
    engine = create_engine(
        url,
        pool_size=max_connections,
        max_overflow=0,
        pool_timeout=busy_s,
        connect_args={"timeout": busy_s, "check_same_thread": False},
    )
    if url.database and not url.database.startswith((":", "file:")):
        path = Path(url.database)
        event.listen(engine, "do_connect", lambda *_: _make_private(path))
    event.listen(engine, "connect", partial(_set_up, busy_s))
    event.listen(engine, "begin", _begin)
    return engine


def _make_private(path: Path) -> None:
    """Makes a new file for this user only; SQLite gives its other files the same rights."""
    with suppress(OSError):  # it is there, or SQLite says what is wrong
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _PRIVATE_FILE))


def _set_up(busy_s: float, connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    """Transactions begin where `_begin` says."""
    connection.isolation_level = None
    _write_ahead(connection, monotonic() + busy_s)
    for pragma in (
        "synchronous = FULL",
        "foreign_keys = ON",
        f"cache_size = -{_CACHE_KIB}",
        "temp_store = MEMORY",
        "journal_size_limit = 67108864",
        "wal_autocheckpoint = 4000",  # pages: 16 MB; pages of indexes that change often are copied less often
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _write_ahead(connection: sqlite3.Connection, deadline: float) -> None:
    """SQLite does not wait by itself where two programs open a new file at once and both change its journal."""
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode != sqlite3.SQLITE_BUSY or monotonic() > deadline:
                raise
            sleep(RETRY_S)
        else:
            return


def _begin(connection: Connection) -> None:
    """A write takes its lock at once: a transaction that reads first and writes later may fail in between."""
    writes = connection.get_execution_options().get(IS_WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
