"""Opens the archive's database: one SQLite file, or PostgreSQL.

Reads are short and many at a time; writes take turns. A commit that returned is on disk.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, InternalError, NoSuchModuleError, OperationalError
from sqlalchemy.exc import DatabaseError as BaseDatabaseError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from inspector.archive.postgresql_engine import Waits, postgresql_engine
from inspector.archive.sqlite_engine import IS_WRITE, sqlite_engine
from inspector.archive.turns import Turn, TurnTimeoutError, turn_of
from inspector.verdicts.follow import StoreError

DRIVERS = {"sqlite": "sqlite+pysqlite", "postgresql": "postgresql+psycopg"}
BUSY_S = 10.0
"""How long a statement waits for another program's write to an SQLite file."""
TURN_S = 30.0
"""How long a writer waits for the others of this process."""
ANSWER_MARGIN_S = 3.0
"""PostgreSQL: so much later than the server would have ended a statement, it is taken to stand still."""
FREE_PAGES_BYTES = 64 * 2**20
"""With so much space of removed rows in an SQLite file, it takes new ones without growing."""
MAX_CONNECTIONS = 8
_UNDEFINED_TABLE, _NO_PRIVILEGE = "42P01", "42501"
_PASSING = (OperationalError, InterfaceError, InternalError, BaseDatabaseError)


class DatabaseError(Exception):
    """The database cannot be used as configured; a later attempt does not help."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far the archive goes."""

    min_free_bytes: int = 0
    """Of the disk of an SQLite file: with less, no rows are added."""
    lock_timeout_s: float = 10.0
    """PostgreSQL: how long a statement waits for another transaction."""
    statement_timeout_s: float = 120.0
    """PostgreSQL: how long a statement runs."""


class Database:
    """One database for all threads of a process."""

    def __init__(self, url: str | URL, password: str | None = None, bounds: Bounds | None = None) -> None:
        """Connects at the first use. `password` is for PostgreSQL and appears in no message. Raises DatabaseError."""
        self._url, self._bounds = _address(url, password), bounds or Bounds()
        self.name = self._url.render_as_string(hide_password=True)
        self.is_sqlite = self._url.get_backend_name() == "sqlite"
        self.engine = (
            sqlite_engine(self._url, MAX_CONNECTIONS, BUSY_S)
            if self.is_sqlite
            else _postgresql_engine(self._url, self._waits())
        )
        # Without BEGIN and ROLLBACK, which are messages to a server.
        self._reader = self.engine if self.is_sqlite else self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._turn = Turn() if self.path is None else turn_of(self.path)
        self._file: tuple[int, int] | None = None
        """The inode of the SQLite file that is open."""

    @property
    def path(self) -> Path | None:
        """The SQLite file; None for PostgreSQL, and for a database in memory."""
        return Path(self._url.database) if self.is_sqlite and self._url.database else None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Nothing is written. SQLite: one snapshot; PostgreSQL: one for each statement. Raises StoreError."""
        self._check_file()
        with self._translated(), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def write(self, *, grows: bool = False) -> Iterator[Connection]:
        """One transaction, committed durably at the end. Raises StoreError: nothing of it was stored then, or, where
        the connection broke during the commit, all or nothing.

        `grows`: it adds rows in bulk, which is refused while the disk has less space than is left to the log.
        """
        self._check_file()
        with self._translated(), self._turn.taken(TURN_S), self.engine.connect() as plain:
            connection = plain.execution_options(**{IS_WRITE: True})
            with connection.begin():
                if grows:
                    self._check_room(connection)
                yield connection

    def server_bytes(self) -> int:
        """Size of a PostgreSQL database. Raises StoreError."""
        with self.read() as connection:
            return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())

    def close(self) -> None:
        self.engine.dispose()

    def _waits(self) -> Waits:
        """Of PostgreSQL."""
        lock_s, statement_s = self._bounds.lock_timeout_s, self._bounds.statement_timeout_s
        return Waits(lock_s, statement_s, max(lock_s, statement_s) + ANSWER_MARGIN_S, BUSY_S)

    def _check_file(self) -> None:
        """Raises StoreError once where the SQLite file was removed or replaced: rows written to the open one would
        be lost with it."""
        if self.path is None:
            return
        inode = _inode(self.path)
        if self._file is not None and inode != self._file:
            self._file = None
            self.engine.dispose()
            raise StoreError(f"{self.name} was removed or replaced: it is opened again")
        self._file = inode

    def _check_room(self, connection: Connection) -> None:
        """Raises StoreError. Space of removed rows is used again, which needs none of the disk."""
        if self.path is None or not self._bounds.min_free_bytes:
            return
        free_bytes, least_bytes = shutil.disk_usage(self.path.parent).free, self._bounds.min_free_bytes
        if free_bytes >= least_bytes:
            return
        pages, page_bytes = (
            connection.exec_driver_sql(f"PRAGMA {n}").scalar_one() for n in ("freelist_count", "page_size")
        )
        if pages * page_bytes < FREE_PAGES_BYTES:
            raise StoreError(
                f"{self.name}: {free_bytes} bytes are free on its disk, at least {least_bytes} are left "
                "to the log: free some, keep fewer verdicts, or lower archive.min_free_bytes"
            )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except PoolTimeoutError as exc:
            raise StoreError(f"{self.name}: all connections have been busy for {BUSY_S:.3g} s") from exc
        except TurnTimeoutError as exc:
            raise StoreError(f"{self.name}: other writers have been busy for {TURN_S:.3g} s") from exc
        except DBAPIError as exc:
            if getattr(exc.orig, "sqlstate", "") == _NO_PRIVILEGE:
                raise DatabaseError(
                    f"{self.name} refuses the archive its work ({cause(exc)}): make this user the owner of the "
                    f"database, or run GRANT USAGE, CREATE ON SCHEMA public TO {self._url.username}"
                ) from exc
            if not is_passing(exc):
                raise
            raise StoreError(f"{self.name} is unavailable: {cause(_first(exc))}") from exc


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def is_passing(exc: DBAPIError) -> bool:
    """Whether the database as a whole fails now (away, full, locked, damaged, emptied), not this statement."""
    is_emptied = getattr(exc.orig, "sqlstate", "") == _UNDEFINED_TABLE
    return exc.connection_invalidated or is_emptied or type(exc) in _PASSING


def _first(exc: DBAPIError) -> DBAPIError:
    """Of several failures: where SQLite had no room and went back by itself, going back to a savepoint fails too."""
    first, before = exc, exc.__context__
    while before is not None:
        first, before = before if isinstance(before, DBAPIError) else first, before.__context__
    return first


def cause(exc: DBAPIError) -> str:
    """The driver's own words: SQLAlchemy adds the statement and its values, which belong into no log."""
    return " ".join(str(exc.orig).split()) or type(exc.orig).__name__


def _address(url: str | URL, password: str | None) -> URL:
    try:
        address = make_url(url)
    except ArgumentError as exc:
        raise DatabaseError(
            "the archive's database is no URL, expected sqlite:///archive.sqlite or postgresql://user@host/name"
        ) from exc
    if (kind := address.get_backend_name()) not in DRIVERS:
        raise DatabaseError(f"the archive cannot use a database of the kind {kind!r}: use sqlite or postgresql")
    address = address.set(drivername=DRIVERS[kind])
    return address if password is None else address.set(password=password)


def _postgresql_engine(url: URL, waits: Waits) -> Engine:
    try:
        return postgresql_engine(url, MAX_CONNECTIONS, waits)
    except (ImportError, NoSuchModuleError) as exc:
        raise DatabaseError(
            "PostgreSQL needs psycopg, which is not installed: in the checkout, pip install '.[postgresql]'"
        ) from exc
