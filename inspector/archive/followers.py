"""The archive's four followers of the log, each with its store."""

from collections.abc import Callable
from threading import Event
from typing import NamedTuple

from inspector.archive.database import Database
from inspector.archive.items import deployments_of, findings_of, letters_of
from inspector.archive.positions import Item
from inspector.archive.store import ArchiveStore, Watcher, Write
from inspector.archive.write import insert_verdicts
from inspector.archive.write_others import count_letters, insert_findings, upsert_deployments
from inspector.verdicts.feed import Followed
from inspector.verdicts.follow import follow_records
from inspector.verdicts.ring import entries_of
from streams.log import Log


class ArchiveFollower(NamedTuple):
    name: str
    run: Callable[[Event], None]
    """Follows until the event is set. Raises LogLostError, DatabaseError."""


def archive_followers(log: Log, database: Database, watcher: Watcher | None = None) -> list[ArchiveFollower]:
    """Each is for one thread, and independent of the others."""

    def follower(followed: Followed[Item], write: Write[Item], *, counts: bool = False) -> ArchiveFollower:
        store = ArchiveStore(database, followed.name, write, watcher, counts=counts)
        return ArchiveFollower(
            followed.name, lambda stop: follow_records(followed, store, stop, f"archive of {followed.name}")
        )

    return [
        follower(Followed("verdicts", log.tail, entries_of, log.reader), insert_verdicts),
        follower(Followed("dead letters", log.dead_letters, letters_of, log.reader), count_letters, counts=True),
        follower(Followed("feedback", log.feedback, findings_of, log.reader), insert_findings),
        follower(
            Followed("deployments", log.control, deployments_of, log.reader, is_compacted=True), upsert_deployments
        ),
    ]
