"""A database that many people ask: no read takes its connections for long."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import BoundedSemaphore
from time import monotonic

from sqlalchemy import Connection, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from inspector.archive.database import ANSWER_MARGIN_S, MAX_CONNECTIONS, Bounds, Database
from inspector.archive.postgresql_engine import Waits
from inspector.verdicts.follow import StoreError

READ_S = 5.0
"""A read that takes longer is ended."""
MAX_READS = MAX_CONNECTIONS - 2
"""Reads at the same time; the other connections are for writes."""
WAIT_S = 2.0
"""How long a read waits for its turn."""
_OPERATIONS = 10_000
"""So many steps of SQLite's machine, some 0.1 ms, are between two looks at the clock."""
_CANCELLED = "57014"


class TookTooLongError(StoreError):
    """The database is well, but it would have to read too much."""


class BusyError(StoreError):
    """Others read at the moment."""


class LimitedDatabase(Database):
    """`Database`, with a limit on the time of reads and on their number at the same time."""

    def __init__(
        self, url: str | URL, password: str | None = None, bounds: Bounds | None = None, read_s: float = READ_S
    ) -> None:
        self._read_s, self._places = read_s, BoundedSemaphore(MAX_READS)
        super().__init__(url, password, bounds)
        self._reader = self.engine

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """As of `Database`, and one snapshot on PostgreSQL too. Raises StoreError, TookTooLongError, BusyError."""
        with in_turn(self._places, WAIT_S), super().read() as connection, self._limited(connection):
            yield connection

    def _waits(self) -> Waits:
        """As of `Database`; a person who waits is told soon that the server stands still."""
        waits = super()._waits()
        return replace(waits, answer_s=max(waits.lock_s, self._read_s) + ANSWER_MARGIN_S)

    @contextmanager
    def _limited(self, connection: Connection) -> Iterator[None]:
        try:
            with _sqlite_limit(connection, self._read_s) if self.is_sqlite else _server_limit(connection, self._read_s):
                yield
        except DBAPIError as exc:
            if not _was_ended(exc):
                raise
            raise TookTooLongError(
                f"the archive searched for {self._read_s:g} s and was not done: choose a shorter time or more "
                "conditions"
            ) from exc


@contextmanager
def in_turn(places: BoundedSemaphore, wait_s: float) -> Iterator[None]:
    """Occupies a place. Raises BusyError where all are taken for long."""
    if not places.acquire(timeout=wait_s):
        raise BusyError("many others search in the archive at the moment: try again in a few seconds")
    try:
        yield
    finally:
        places.release()


@contextmanager
def _sqlite_limit(connection: Connection, limit_s: float) -> Iterator[None]:
    driver, deadline_s = connection.connection.driver_connection, monotonic() + limit_s
    assert isinstance(driver, sqlite3.Connection)  # noqa: S101
    driver.set_progress_handler(lambda: monotonic() > deadline_s, _OPERATIONS)
    try:
        yield
    finally:
        driver.set_progress_handler(None, 0)


@contextmanager
def _server_limit(connection: Connection, limit_s: float) -> Iterator[None]:
    """Of each statement of the transaction."""
    connection.execute(text("SELECT set_config('statement_timeout', :limit, true)"), {"limit": f"{limit_s * 1000:.0f}"})
    yield


def _was_ended(exc: DBAPIError) -> bool:
    is_interrupted = getattr(exc.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT
    return is_interrupted or getattr(exc.orig, "sqlstate", "") == _CANCELLED
