"""An archive with pieces to review, on both databases, and a clock that tests set."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import func, insert, select

from inspector.archive.database import Database
from inspector.archive.find import Archive, PieceRow
from inspector.archive.migrate import upgrade
from inspector.archive.schema import TOPICS, VERDICTS
from inspector.archive.tables_recordings import PIECE_RECORDINGS, RECORDING_OBJECTS
from inspector.review.desk import Desk
from inspector.review.lending import Lending
from inspector.review.queue import Queue
from inspector.review.settings import ReviewSettings
from protos.inspection.v1.verdict_pb2 import Decision, DecisionReason
from streams.observation import InspectionId

START_NS = 1_800_000_000 * 10**9
REVIEW, PASS, FAIL = Decision.DECISION_REVIEW, Decision.DECISION_PASS, Decision.DECISION_FAIL


@dataclass
class Clock:
    now_ns: int = START_NS

    def __call__(self) -> int:
        self.now_ns += 1
        return self.now_ns

    def advance(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)


@dataclass
class Floor:
    """A review desk over a database of its own."""

    database: Database
    settings: ReviewSettings
    clock: Clock = field(default_factory=Clock)
    draws: Iterator[float] = field(default_factory=lambda: iter(lambda: 0.99, None))

    @property
    def desk(self) -> Desk:
        """A new one each time, as every process has."""
        lending = Lending(self.database, self.settings, draw=lambda: next(self.draws))
        return Desk(self.database, self.settings, lending, self.clock)

    @property
    def archive(self) -> Archive:
        return Archive(self.database)

    def add(
        self, names: Iterable[str], decision: int = REVIEW, reason: int = DecisionReason.DECISION_REASON_UNCERTAIN,
        *, recordings: bool = True,
    ) -> None:  # fmt: skip
        """Stores verdicts and recordings, as the archiver does."""
        with self.database.write() as connection:
            topic = connection.execute(select(TOPICS.c.id)).scalar()
            if topic is None:
                topic = connection.execute(
                    insert(TOPICS).values(name="t.line-1.verdicts", identity="1").returning(TOPICS.c.id)
                ).scalar_one()
                file = {"sha256": "ab" * 32, "kind": "png", "bytes": 10, "stored_ns": START_NS}
                connection.execute(insert(RECORDING_OBJECTS).values(**file))
            for name in names:
                offset = connection.execute(select(func.coalesce(func.max(VERDICTS.c.offset), -1))).scalar_one() + 1
                row = _verdict_row(name, decision, reason, offset)
                key = connection.execute(
                    insert(VERDICTS).values(topic_id=topic, **row).returning(VERDICTS.c.key)
                ).scalar_one()
                if recordings:
                    kept = {"source": "top", "sequence": 0, "kind": "image", "sha256": "ab" * 32, "stored_ns": 1}
                    connection.execute(insert(PIECE_RECORDINGS).values(verdict_key=key, **kept))

    def queue(self) -> None:
        """Takes everything in that is wanted."""
        queue = Queue(self.database, self.settings)
        while queue.fill(self.clock()):
            pass
        while queue.make_ready(self.clock()):
            pass

    def row(self, name: str) -> PieceRow:
        row = self.archive.by_inspection(piece(name))
        assert row is not None
        return row

    def name(self, verdict_key: int) -> str:
        return self.archive.row(verdict_key).piece_id


def piece(name: str) -> InspectionId:
    return InspectionId("line-1", "station-1", name, 0)


@contextmanager
def floor(url: str, settings: ReviewSettings) -> Iterator[Floor]:
    database = Database(url)
    upgrade(database)
    try:
        yield Floor(database, settings)
    finally:
        database.close()


def _verdict_row(name: str, decision: int, reason: int, offset: int) -> dict[str, object]:
    texts = dict.fromkeys(("product", "lot", "recipe", "recipe_version", "bundle", "bundle_version", "bundle_digest",
                           "engine", "route", "defect_class"), "")  # fmt: skip
    times = dict.fromkeys(("entry_ns", "capture_ns", "arrival_ns", "decision_ns", "publish_ns", "append_ns"), START_NS)
    numbers = {"deployment": 0, "cost_ms": 1.0, "deadline_missed": False, "day": 20_833, "stored_bytes": 100}
    line, station, piece_id, pass_number = piece(name)
    identity = {"line": line, "station": station, "piece_id": piece_id, "pass_number": pass_number}
    return {**texts, **times, **numbers, **identity, "partition": 0, "offset": offset, "decision": decision,
            "reason": reason}  # fmt: skip
