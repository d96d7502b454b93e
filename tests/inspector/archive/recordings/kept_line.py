"""A line that has judged, its archive and its keeper, put together as the floor does it."""

from collections.abc import Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry

from inspector.archive.database import Database
from inspector.archive.find import Archive
from inspector.archive.log_reading import LogReading
from inspector.archive.recordings.database import RecordingRows
from inspector.archive.recordings.folder_store import FolderStore
from inspector.archive.recordings.inputs import InputReader
from inspector.archive.recordings.keeper import Keeper
from inspector.archive.recordings.metrics import RecordingMetrics
from inspector.archive.recordings.objects import ObjectStore
from inspector.archive.recordings.retention import Retention
from inspector.archive.write import insert_verdicts
from inspector.recipe.keep import Keep
from inspector.verdicts.feed import Followed
from inspector.verdicts.ring import entries_of
from streams.log import Log

ALL = Keep(pieces="all")


class KeptLine:
    """`step` keeps the next pieces; `value` reads a metric."""

    def __init__(self, log: Log, prefix: str, database: Database, store: ObjectStore | Path, keep: Keep = ALL) -> None:
        self.registry = CollectorRegistry()
        self.metrics = RecordingMetrics(self.registry)
        self.database, self.archive = database, Archive(database)
        self.store: ObjectStore = FolderStore(store) if isinstance(store, Path) else store
        self.keeps: Mapping[str, Keep] = {"disc": keep}
        self.rows = RecordingRows(database)
        self.inputs = InputReader(log.reader(), prefix)
        self.keepers: list[Keeper] = []
        self.keeper = self.keeper_of(self.store)

    def keeper_of(self, store: ObjectStore) -> Keeper:
        keeper = Keeper(self.rows, self.archive, self.inputs, store, self.keeps, self.metrics)
        self.keepers.append(keeper)
        return keeper

    def retention(self, grace_s: float = 0.0) -> Retention:
        return Retention(self.database, self.store, self.keeps, self.metrics, grace_s=grace_s)

    def run(self) -> None:
        while self.keeper.step():
            pass

    def value(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"inspector_recordings_{name}", labels) or 0.0

    def close(self) -> None:
        for keeper in self.keepers:
            keeper.close()
        self.inputs.close()


def archive_verdicts(log: Log, database: Database) -> int:
    """As the archive's follower does; returns how many verdicts were new."""
    reading = LogReading(Followed("verdicts", log.tail, entries_of))
    with database.write() as connection:
        return sum(insert_verdicts(connection, batch.items) for batch in reading.batches())
