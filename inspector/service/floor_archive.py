"""The archive's part of the floor: follows the log into the database, in a thread for each kind of record."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from threading import Event

from prometheus_client import CollectorRegistry

from inspector.archive.followers import archive_followers
from inspector.archive.metrics import ArchiveMetrics
from inspector.archive.opening import open_database
from inspector.archive.retention import RowRetention, limits_of
from inspector.config.opening import open_log
from inspector.config.service import Service
from inspector.service.floor_thread import Work, working


@contextmanager
def archive_part(service: Service, registry: CollectorRegistry, stop: Event) -> Iterator[None]:
    """Archives until its end. Raises ConfigError, LogError, DatabaseError; what ended a follower is raised at the end,
    after `stop` was set."""
    if not service.config.archive.enabled:
        yield
        return
    settings = service.config.archive.settings
    with (
        closing(open_database(service.path, settings)) as database,
        closing(open_log(service.path, service.config, stop)) as source,
    ):
        followers = archive_followers(source, database, ArchiveMetrics(registry, database))
        works: dict[str, Work] = {f"archive-{follower.name}": follower.run for follower in followers}
        retention = RowRetention(database, limits_of(settings), stop)
        works["archive-old verdicts"] = lambda _: retention.run()
        with working(works, stop):
            yield
