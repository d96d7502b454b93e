"""An archive with pieces to review, on both databases, and a clock that tests set."""

import hashlib
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np
from sqlalchemy import func, insert, select

from inspector.archive.database import Database
from inspector.archive.dialect import insert as upsert
from inspector.archive.find import Archive, PieceRow
from inspector.archive.items import LogItem
from inspector.archive.recordings.objects import ObjectMissingError
from inspector.archive.schema import VERDICTS
from inspector.archive.store import ArchiveStore
from inspector.archive.tables_log import FEEDBACK
from inspector.archive.tables_recordings import PIECE_RECORDINGS, RECORDING_OBJECTS
from inspector.archive.tables_review import REVIEW_PIECES, REVIEW_SLOTS
from inspector.archive.write import insert_verdicts
from inspector.archive.write_others import insert_findings
from inspector.review.desk import Desk
from inspector.review.findings import Finding, feedback, parse_finding
from inspector.review.lending import Lending
from inspector.review.queue import Queue
from inspector.review.settings import ReviewSettings
from inspector.verdicts.records import inspection_id
from inspector.verdicts.ring import Entry
from protos.inspection.v1.records_pb2 import Inspection, Label
from protos.inspection.v1.verdict_pb2 import Decision, DecisionReason, ModalityState, Verdict
from streams import resume_token
from streams.observation import InspectionId
from streams.records import TopicPartition
from tests.inspector.archive.tables import make_tables

SOURCE = TopicPartition("t.line-1.verdicts", 0)
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


class Kept(NamedTuple):
    """A recording of a piece."""

    name: str
    source: str
    kind: str
    form: str
    content: bytes
    sequence: int = 0


@dataclass
class Floor:
    """A review desk over a database of its own."""

    database: Database
    settings: ReviewSettings
    clock: Clock = field(default_factory=Clock)
    draws: Iterator[float] = field(default_factory=lambda: iter(lambda: 0.99, None))
    files: dict[str, bytes] = field(default_factory=dict)
    """Content of the object store."""

    def get(self, digest: str, max_bytes: int) -> bytes:
        """As an object store does."""
        if digest not in self.files:
            raise ObjectMissingError(f"the store has no file {digest}")
        return self.files[digest]

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
        *, recordings: bool = True, lot: str = "",
    ) -> None:  # fmt: skip
        """Stores verdicts and recordings, as the archiver does."""
        verdicts = [make_verdict(name, decision, reason, lot) for name in names]
        with self.database.read() as connection:
            first = connection.execute(select(func.count()).select_from(VERDICTS)).scalar_one()
        store = ArchiveStore(self.database, "verdicts", insert_verdicts)
        store.token()
        entries = [_entry(verdict, offset) for offset, verdict in enumerate(verdicts, first)]
        store.store(entries, resume_token.encode({SOURCE: first + len(entries)}, {SOURCE.topic: "1"}))
        if recordings:
            names = [verdict.inspection.piece_id for verdict in verdicts]
            self._keep(
                kept
                for name in names
                for kept in (
                    Kept(name, "top", "image", "png", picture(name)),
                    Kept(name, "mic", "audio", "npy", sound(name)),
                )
            )

    def keep(self, name: str, source: str, kind: str, form: str, content: bytes, sequence: int = 0) -> None:
        """Stores a recording of a piece, as the keeper does."""
        self._keep([Kept(name, source, kind, form, content, sequence)])

    def _keep(self, recordings: Iterable[Kept]) -> None:
        files, rows = [], []
        with self.database.write() as connection:
            keys = dict(connection.execute(select(VERDICTS.c.piece_id, VERDICTS.c.key).order_by(VERDICTS.c.key)).all())
            for kept in recordings:
                sha256 = hashlib.sha256(kept.content).hexdigest()
                self.files[sha256] = kept.content
                files.append({"sha256": sha256, "kind": kept.form, "bytes": len(kept.content), "stored_ns": 1})
                rows.append(
                    {
                        "verdict_key": keys[kept.name],
                        "source": kept.source,
                        "sequence": kept.sequence,
                        "kind": kept.kind,
                        "sha256": sha256,
                        "detail": "{}" if kept.kind == "image" else '{"sample_rate_hz":16000.0,"first_ns":0}',
                        "stored_ns": 1,
                    }
                )
            connection.execute(upsert(connection, RECORDING_OBJECTS).on_conflict_do_nothing(), files)
            connection.execute(insert(PIECE_RECORDINGS), rows)

    def say(self, name: str, author: str, word: str, *defects: str, given_ns: int | None = None) -> None:
        """Stores a person's finding about a piece, as the archiver does."""
        finding = Finding(Label.LABEL_WITHDRAWN) if word == "withdrawn" else parse_finding(word, defects)
        message = feedback(piece(name), finding, author, given_ns or self.clock(), "")
        with self.database.read() as connection:
            offset = connection.execute(select(func.count()).select_from(FEEDBACK)).scalar_one()
        store = ArchiveStore(self.database, "feedback", insert_findings)
        store.token()
        at = TopicPartition("t.line-1.feedback", 0)
        item = LogItem(at, offset, START_NS, "line-1", message)
        store.store([item], resume_token.encode({at: offset + 1}, {at.topic: "1"}))

    def queue(self) -> None:
        """Takes everything in that is wanted, after letting go of what is too old."""
        queue = Queue(self.database, self.settings)
        while queue.expire(self.clock()):
            pass
        while queue.fill(self.clock()):
            pass
        while queue.make_ready(self.clock()):
            pass

    def answers(self) -> list[tuple[str, int, str]]:
        """Piece, label and classes of every answer to a piece of the queue, in order."""
        slots, pieces = REVIEW_SLOTS.c, REVIEW_PIECES.c
        query = (
            select(pieces.piece_id, slots.label, slots.defects)
            .join(REVIEW_PIECES, slots.piece_key == pieces.key)
            .where(slots.answered_ns.is_not(None))
            .order_by(slots.answered_ns)
        )
        with self.database.read() as connection:
            return [(row.piece_id, row.label, row.defects) for row in connection.execute(query)]

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
    make_tables(database)
    try:
        yield Floor(database, settings)
    finally:
        database.close()


def make_verdict(name: str, decision: int, reason: int, lot: str = "") -> Verdict:
    line, station, piece_id, pass_number = piece(name)
    verdict = Verdict(
        inspection=Inspection(line=line, station=station, piece_id=piece_id, pass_number=pass_number),
        product="disc",
        lot=lot,
        bundle="demo",
        bundle_digest="0123456789ab",
        decision=Decision.Name(decision),
        reason=DecisionReason.Name(reason),
        defect_score=0.5,
        pass_below=0.2,
        fail_above=0.8,
        entry_ns=START_NS,
        capture_ns=START_NS,
    )
    for each in ("crack", "dent", "scratch"):
        verdict.classes.add(name=each, probability=0.4)
    verdict.modalities.add(name="top", kind="image", state=ModalityState.MODALITY_STATE_PRESENT, contribution=0.6)
    verdict.modalities.add(name="mic", kind="audio", state=ModalityState.MODALITY_STATE_PRESENT, defect_score=0.3)
    evidence = verdict.images.add(camera="top", heat_map_png=picture("heat"))
    evidence.regions.add(x_px=4, y_px=6, width_px=10, height_px=8, strength=0.7)
    verdict.signals.add(sensor="mic", start_s=0.02, end_s=0.05, low_hz=5000.0, high_hz=7000.0, strength=0.6)
    return verdict


def picture(name: str) -> bytes:
    """A PNG of 48 by 32 pixels."""
    return bytes(cv2.imencode(".png", _noise(name).integers(0, 255, (32, 48), np.uint8))[1].tobytes())


def sound(name: str) -> bytes:
    """A quarter of a second as .npy."""
    content = io.BytesIO()
    np.save(content, _noise(name).normal(0, 0.1, (4000, 1)).astype(np.float32))
    return content.getvalue()


def _noise(name: str) -> np.random.Generator:
    return np.random.default_rng(list(name.encode()))


def _entry(verdict: Verdict, offset: int) -> Entry:
    value = verdict.SerializeToString()
    inspection = inspection_id(verdict.inspection)
    return Entry(SOURCE, offset, START_NS + offset, inspection, verdict.product, verdict.decision, value)
