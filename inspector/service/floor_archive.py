"""The archive's part of the floor: follows the log into the database, in a thread for each kind of record."""

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from threading import Event, Thread

from prometheus_client import CollectorRegistry

from inspector.archive.database import DatabaseError
from inspector.archive.followers import ArchiveFollower, archive_followers
from inspector.archive.metrics import ArchiveMetrics
from inspector.archive.opening import open_database
from inspector.archive.retention import RowRetention, limits_of
from inspector.config.opening import open_log
from inspector.config.service import Service
from streams.log import LogError

log = logging.getLogger("inspector.service.archive")


@contextmanager
def archive_part(service: Service, registry: CollectorRegistry, stop: Event) -> Iterator[None]:
    """Archives until its end. Raises ConfigError, LogError, DatabaseError; what ended a follower is raised at the end,
    after `stop` was set."""
    if not service.config.archive.enabled:
        yield
        return
    ended = Event()
    with closing(open_database(service.path, service.config.archive.settings)) as database:
        metrics = ArchiveMetrics(registry, database)
        with closing(open_log(service.path, service.config, ended)) as source:
            threads = [_Follower(each, ended, stop) for each in archive_followers(source, database, metrics)]
            retention = RowRetention(database, limits_of(service.config.archive.settings), ended)
            threads.append(_Follower(ArchiveFollower("old verdicts", lambda _: retention.run()), ended, stop))
            try:
                for thread in threads:
                    thread.start()
                yield
            finally:
                ended.set()
                for thread in threads:
                    thread.join()
    for thread in threads:
        if thread.error is not None:
            raise thread.error


class _Follower(Thread):
    """Runs one follower; its error stops the whole floor, and with it the process."""

    def __init__(self, follower: ArchiveFollower, ended: Event, stop: Event) -> None:
        super().__init__(name=f"archive-{follower.name}", daemon=True)
        self._follower, self._ended, self._stop_floor = follower, ended, stop
        self.error: LogError | DatabaseError | None = None

    def run(self) -> None:
        try:
            self._follower.run(self._ended)
        except (LogError, DatabaseError) as error:
            log.error("The archive of %s has ended: %s", self._follower.name, error)  # noqa: TRY400
            self.error = error
            self._stop_floor.set()
