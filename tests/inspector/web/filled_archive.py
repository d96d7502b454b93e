"""Fills an archive with made verdicts: the pages' tests and their benchmark need many, and know what to expect."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import select

from inspector.archive.chart_counts import ChartCounter
from inspector.archive.database import Database
from inspector.archive.schema import VERDICTS
from inspector.archive.write import insert_verdicts
from inspector.verdicts.records import inspection_id
from inspector.verdicts.ring import Entry
from protos.inspection.v1.verdict_pb2 import Decision, DecisionReason, ModalityState, Verdict
from streams.records import TopicPartition
from tests.inspector.archive.tables import make_tables

NS = 10**9
START_NS = 1_764_489_600 * NS
"""2025-11-30 08:00 UTC."""
TAKT_NS = NS // 12
CHUNK = 2_000
SOURCE = TopicPartition("inspection.line-1.verdicts", 0)
FAIL_EVERY, REVIEW_EVERY = 20, 33
CLASSES = ("crack", "scratch", "dent")


@dataclass
class Names:
    """Names of the generated pieces."""

    lines: Sequence[str] = ("line-1",)
    stations: Sequence[str] = ("press", "drill")
    product: str = "housing"
    lot: str = "lot-{}"
    piece: str = "piece-{:07d}"
    classes: Sequence[str] = CLASSES
    bundle: str = "demo"
    sensors: Sequence[tuple[str, str]] = field(default_factory=lambda: [("top", "image"), ("mic", "audio")])
    expert: str = "cnn"


def decision_of(number: int) -> Decision:
    """FAIL for every 20th piece, REVIEW for every 33rd of the others."""
    if number % FAIL_EVERY == 7:
        return Decision.DECISION_FAIL
    return Decision.DECISION_REVIEW if number % REVIEW_EVERY == 5 else Decision.DECISION_PASS


_SCORES = {Decision.DECISION_FAIL: 0.93, Decision.DECISION_REVIEW: 0.48, Decision.DECISION_PASS: 0.08}
_REASONS = {
    Decision.DECISION_FAIL: DecisionReason.DECISION_REASON_DEFECT,
    Decision.DECISION_REVIEW: DecisionReason.DECISION_REASON_UNCERTAIN,
    Decision.DECISION_PASS: DecisionReason.DECISION_REASON_GOOD,
}


def verdict_of(number: int, names: Names | None = None, entry_ns: int | None = None) -> Verdict:
    """The generated verdict with this number; the sensor is missing for every 50th."""
    names = names or Names()
    entry_ns = START_NS + number * TAKT_NS if entry_ns is None else entry_ns
    decision = decision_of(number)
    verdict = Verdict(
        product=names.product,
        lot=names.lot.format(number // 500),
        recipe="housing",
        recipe_version="3",
        bundle=names.bundle,
        bundle_version="1.2",
        bundle_digest="0123456789ab",
        engine="onnx/fp32",
        deployment=4,
        decision=decision,
        reason=_REASONS[decision],
        defect_score=_SCORES[decision] + (number % 50) / 1000,
        pass_below=0.3,
        fail_above=0.7,
        route="cascade:full",
        cost_ms=4.5,
        capture_ns=entry_ns + 10**6,
        arrival_ns=entry_ns + 20 * 10**6,
        decision_ns=entry_ns + 40 * 10**6,
        publish_ns=entry_ns + (40 + number % 100) * 10**6,
        entry_ns=entry_ns,
    )
    inspection = verdict.inspection
    inspection.line = names.lines[number % len(names.lines)]
    inspection.station = names.stations[number % len(names.stations)]
    inspection.piece_id = names.piece.format(number)
    for place, name in enumerate(names.classes):
        verdict.classes.add(name=name, probability=0.9 if place == number % len(names.classes) else 0.02)
    for place, (sensor, kind) in enumerate(names.sensors):
        is_missing = place == 1 and number % 50 == 3
        state = ModalityState.MODALITY_STATE_MISSING if is_missing else ModalityState.MODALITY_STATE_PRESENT
        verdict.modalities.add(name=sensor, kind=kind, state=state, coverage=1, gate_weight=0.5, contribution=0.8)
        verdict.experts.add(expert=names.expert, modality=sensor, ran=not is_missing, cost_ms=2.1, why="routed")
    return verdict


class FilledArchive:
    """An archive of generated verdicts; each call continues after the last one."""

    def __init__(self, database: Database, names: Names | None = None) -> None:
        self.database, self.names = database, names or Names()
        self.num_verdicts = 0
        make_tables(database)

    def fill(self, count: int, *, start_ns: int | None = None) -> None:
        """`start_ns` is the entry of the first one; they follow at 12 a second."""
        first, start_ns = self.num_verdicts, START_NS + self.num_verdicts * TAKT_NS if start_ns is None else start_ns
        for begin in range(0, count, CHUNK):
            numbers = range(begin, min(begin + CHUNK, count))
            self._store([verdict_of(first + each, self.names, start_ns + each * TAKT_NS) for each in numbers])

    def count(self) -> None:
        """Counts all of them for charts, as the floor does in the background."""
        counter = ChartCounter(self.database)
        while counter.count():
            pass

    def put(self, verdict: Verdict) -> int:
        """Stores this verdict; its key."""
        self._store([verdict])
        with self.database.read() as connection:
            return connection.execute(select(VERDICTS.c.key).order_by(VERDICTS.c.key.desc()).limit(1)).scalar_one()

    def _store(self, verdicts: Sequence[Verdict]) -> None:
        entries = [entry_of(self.num_verdicts + number, verdict) for number, verdict in enumerate(verdicts)]
        with self.database.write() as connection:
            insert_verdicts(connection, entries)
        self.num_verdicts += len(verdicts)


def entry_of(offset: int, verdict: Verdict) -> Entry:
    """The verdict as a follower gets it."""
    inspection = inspection_id(verdict.inspection)
    append_ns, value = verdict.publish_ns + 10**6, verdict.SerializeToString()
    return Entry(SOURCE, offset, append_ns, inspection, verdict.product, verdict.decision, value)
