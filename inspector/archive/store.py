"""The archive as a follower's store: rows and position in one transaction, each record exactly once."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, Protocol

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, IntegrityError

from inspector.archive.database import Database, cause
from inspector.archive.migrate import upgrade
from inspector.archive.positions import Item, Positions
from inspector.verdicts.regrown import LastRecord
from streams.log import Gap
from streams.records import TopicPartition

log = logging.getLogger("inspector.archive")


Write = Callable[[Connection, Sequence[Item]], int]
"""Stores items; returns how many were new."""


class Watcher(Protocol):
    """Learns how the archive gets on."""

    def stored(self, follower: str, num_stored: int, newest_append_ns: int | None) -> None: ...
    def failed(self, follower: str) -> None: ...


class ArchiveStore(Generic[Item]):
    """`inspector.verdicts.follow.Store` in a database. For one thread."""

    def __init__(
        self,
        database: Database,
        follower: str,
        write: Write[Item],
        watcher: Watcher | None = None,
        *,
        counts: bool = False,
    ) -> None:
        """`counts`: `write` would count a record twice that it got twice."""
        self._database, self._follower, self._write, self._watcher = database, follower, write, watcher
        self._positions = Positions(follower, counts=counts)

    def token(self) -> bytes | None:
        """Brings the tables to this version first: after an outage it may be another database. Raises StoreError,
        DatabaseError."""
        upgrade(self._database)
        with self._database.read() as connection:
            return self._positions.token(connection)

    def last(self) -> Mapping[TopicPartition, LastRecord]:
        return self._positions.last()

    def store(self, entries: Sequence[Item], token: bytes) -> None:
        try:
            with self._database.write(grows=True) as connection:
                new = self._positions.new_entries(connection, entries, token)
                num_stored = self._insert(connection, new)
        except BaseException:
            if self._watcher is not None:
                self._watcher.failed(self._follower)
            raise
        if self._watcher is not None:
            self._watcher.stored(self._follower, num_stored, max((e.append_ns for e in entries), default=None))

    def skip(self, gaps: Sequence[Gap]) -> None:
        with self._database.write() as connection:
            self._positions.skip(connection, gaps)

    def _insert(self, connection: Connection, items: Sequence[Item]) -> int:
        """One record that the database refuses does not hold up the others."""
        try:
            with connection.begin_nested():
                return self._write(connection, items)
        except (DataError, IntegrityError) as exc:
            if len(items) > 1:
                return sum(self._insert(connection, [item]) for item in items)
            log.error("The database refuses the record %s/%d@%d, which is not archived: %s",  # noqa: TRY400
                      *items[0].source, items[0].offset, cause(exc))  # fmt: skip
            return 0
