"""Verdicts for tests of the archive, and a log that holds them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from inspector.archive.database import Database
from inspector.archive.store import ArchiveStore
from inspector.archive.write import insert_verdicts
from inspector.verdicts.records import verdict_output
from inspector.verdicts.ring import Entry
from protos.inspection.v1.records_pb2 import Inspection
from protos.inspection.v1.verdict_pb2 import (
    DECISION_FAIL,
    DECISION_PASS,
    DECISION_REVIEW,
    MODALITY_STATE_MISSING,
    MODALITY_STATE_PRESENT,
    Decision,
    Verdict,
)
from streams import resume_token
from streams.embedded.log import EmbeddedLog
from streams.observation import InspectionId
from streams.records import Shard, TopicPartition, Topics

TOPICS = Topics("t", "a")
SOURCE = TopicPartition(TOPICS.of("verdicts"), 0)
BEGIN_NS = 1_700_000_000 * 10**9
SECOND_NS = 10**9
DECISIONS = (DECISION_PASS, DECISION_PASS, DECISION_PASS, DECISION_FAIL, DECISION_REVIEW)


def make_verdict(number: int, line: str = "a") -> Verdict:
    """One piece each second; station, lot, decision and score follow from the number."""
    decision = DECISIONS[number % len(DECISIONS)]
    verdict = Verdict(
        inspection=Inspection(line=line, station=f"s{number % 3}", piece_id=f"p{number:05d}"),
        product="cup" if number % 2 else "plate",
        lot=f"lot-{number // 50}",
        bundle="b",
        bundle_digest=f"digest-{number // 100}",
        decision=decision,
        defect_score=(number % 100) / 100,
        pass_below=0.2,
        fail_above=0.8,
        route="cascade:exit",
        cost_ms=1.5,
        entry_ns=BEGIN_NS + number * SECOND_NS,
        capture_ns=BEGIN_NS + number * SECOND_NS,
        publish_ns=BEGIN_NS + number * SECOND_NS + 20_000_000,
    )
    verdict.classes.add(name="crack", probability=0.9 if number % 10 == 3 else 0.1)
    verdict.classes.add(name="dent", probability=0.5)
    verdict.modalities.add(name="camera", kind="image", state=MODALITY_STATE_PRESENT)
    state = MODALITY_STATE_MISSING if number % 7 == 0 else MODALITY_STATE_PRESENT
    verdict.modalities.add(name="microphone", kind="audio", state=state)
    if decision != DECISION_PASS:
        verdict.images.add(camera="camera", heat_map_png=b"png" * (number % 50 + 1))
    return verdict


def make_entry(verdict: Verdict, offset: int, source: TopicPartition = SOURCE) -> Entry:
    named = verdict.inspection
    inspection = InspectionId(named.line, named.station, named.piece_id, named.pass_number)
    append_ns = verdict.entry_ns + 50_000_000
    return Entry(source, offset, append_ns, inspection, verdict.product, verdict.decision, verdict.SerializeToString())


def entries(numbers: Iterable[int]) -> list[Entry]:
    return [make_entry(make_verdict(number), number) for number in numbers]


def token_after(offset: int, identity: str = "one") -> bytes:
    return resume_token.encode({SOURCE: offset}, {SOURCE.topic: identity})


def verdict_store(database: Database, watcher: "Noted | None" = None) -> ArchiveStore[Entry]:
    return ArchiveStore(database, "verdicts", insert_verdicts, watcher)


def fill(database: Database, numbers: range) -> None:
    store = verdict_store(database)
    store.token()
    store.store(entries(numbers), token_after(numbers.stop))


def publish(log: EmbeddedLog, verdicts: Sequence[Verdict], topics: Topics = TOPICS) -> None:
    publisher = log.publisher()
    publisher.publish([verdict_output(topics, Shard(topics.line, 0), verdict) for verdict in verdicts])
    publisher.flush()
    publisher.close()


@dataclass
class Noted:
    """A watcher that counts."""

    num_stored: int = 0
    num_failed: int = 0

    def stored(self, follower: str, num_stored: int, newest_append_ns: int | None) -> None:
        self.num_stored += num_stored

    def failed(self, follower: str) -> None:
        self.num_failed += 1


def is_defective(number: int) -> bool:
    return DECISIONS[number % len(DECISIONS)] != Decision.DECISION_PASS
