"""Opens the archive of a configuration for a command."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from inspector.archive.database import Database, DatabaseError
from inspector.archive.migrate import upgrade
from inspector.archive.opening import open_database
from inspector.config.service import Service


@contextmanager
def open_archive(service: Service) -> Iterator[Database]:
    """With its tables. Raises DatabaseError, ConfigError, StoreError."""
    if not service.config.archive.enabled:
        raise DatabaseError(f"{service.path} keeps no archive: set enabled = true under [archive]")
    with closing(open_database(service.path, service.config.archive.settings)) as database:
        upgrade(database)
        yield database
