"""The main loop over a real embedded log: one verdict per piece, one dead letter per bad record, through crashes."""

import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from inspector.engines.engine import LostDeviceError
from inspector.verdicts.judge import ShadowPair
from inspector.worker.metrics import WorkerMetrics
from inspector.worker.pipeline import Pipeline
from inspector.worker.settings import PipelineSettings, StallSettings
from inspector.worker.stall import StallWatch
from protos.inspection.v1 import verdict_pb2
from protos.inspection.v1.records_pb2 import DEAD_LETTER_REASON_BAD_IMAGE, DEAD_LETTER_REASON_DUPLICATE, DeadLetter
from protos.inspection.v1.verdict_pb2 import Verdict
from streams.decode.dead_letters import MAX_RAW_BYTES
from streams.embedded import EmbeddedLog, EmbeddedSettings
from streams.join.assembly import JoinSettings
from streams.log import Batch, CommitRefusedError, Position, Sink, Source
from streams.observation import Observation
from streams.records import Output, TopicPartition
from tests.line import GAP_NS, PNG, TOPICS, build, chunk, ends, frame, line_of, publish, work, written

pytestmark = pytest.mark.usefixtures("cores")

NUM_PIECES = 5


def test_every_piece_gets_one_verdict_with_all_modalities(log: EmbeddedLog, path: Path) -> None:
    publish(log, line_of(NUM_PIECES))
    source, sink = ends(log)
    with closing(source), closing(sink):
        verdicts = work(build(source, sink)[0], path, NUM_PIECES)
    assert sorted(verdict.inspection.piece_id for verdict in verdicts) == [f"p{n}" for n in range(NUM_PIECES)]
    assert {verdict.decision for verdict in verdicts} == {verdict_pb2.DECISION_PASS}
    assert all(verdict.publish_ns >= verdict.entry_ns for verdict in verdicts)


def test_a_verdict_larger_than_a_record_is_published_without_heat_maps(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kafka never accepts it, so every worker would end at the same piece; in the embedded log the next owner would
    read only its beginning and judge the piece again."""
    limit = 2 * MAX_RAW_BYTES
    path = tmp_path / "log.sqlite"
    with closing(EmbeddedLog(path, EmbeddedSettings(max_record_bytes=limit))) as log:
        publish(log, line_of(NUM_PIECES))
        source, sink = ends(log)
        with closing(source), closing(sink):
            pipeline, judge = build(source, sink, pipeline=PipelineSettings(max_record_bytes=limit))
            blank = judge.judge
            monkeypatch.setattr(judge, "judge", lambda pieces: [with_maps(verdict, 3) for verdict in blank(pieces)])
            verdicts = work(pipeline, path, NUM_PIECES)
    assert len(verdicts) == NUM_PIECES
    assert {sum(map(bool, (image.heat_map_png for image in verdict.images))) for verdict in verdicts} == {1}
    assert [record.levelname for record in caplog.records if "max_record_bytes" in record.message] == ["ERROR"]


def test_made_up_stations_are_one_line_in_the_log(
    log: EmbeddedLog, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    begin_ns = time.time_ns() - 1_000_000_000
    publish(log, [frame(f"p{number}", begin_ns + number, station=f"made-up-{number}") for number in range(600)])
    source, sink = ends(log)
    with closing(source), closing(sink):
        pipeline, _ = build(source, sink, join=JoinSettings(max_stations=20))
        deadline = time.monotonic() + 60
        while len(written(path, "dead-letters")) < 580 and time.monotonic() < deadline:
            pipeline.step()
    assert len(written(path, "dead-letters")) == 580
    (line,) = [entry for entry in caplog.records if "STATION_LIMIT" in entry.message]
    assert line.levelname == "ERROR"
    assert "at most 20 are " in line.message
    num_refused = int(line.message.split(" record(s) refused")[0].split()[-1])
    assert f"made-up-{20 + num_refused - 1}: " in line.message
    assert "name the line's stations in recipes" in line.message


def with_maps(verdict: Verdict, count: int) -> Verdict:
    verdict.images.extend(verdict_pb2.ImageEvidence(camera="top", heat_map_png=bytes(2**16)) for _ in range(count))
    return verdict


def test_committed_pieces_are_not_judged_again(log: EmbeddedLog, path: Path) -> None:
    publish(log, line_of(NUM_PIECES))
    for _ in range(2):
        source, sink = ends(log)
        with closing(source), closing(sink):
            pipeline, judge = build(source, sink)
            verdicts = work(pipeline, path, NUM_PIECES)
    assert len(verdicts) == NUM_PIECES
    assert judge.judged == []


def test_foreign_records_on_its_outputs_do_not_keep_a_worker_from_starting(log: EmbeddedLog, path: Path) -> None:
    publish(log, line_of(NUM_PIECES))
    source, sink = ends(log)
    with closing(source), closing(sink):
        work(build(source, sink)[0], path, NUM_PIECES)
    foreign = [Output(TOPICS.of(kind), None, b"st", b"hello", "") for kind in ("verdicts", "dead-letters")]
    publish(log, [*foreign, frame("next", time.time_ns() - 1_000_000_000)])
    metrics = WorkerMetrics(registry := CollectorRegistry())
    source, sink = ends(log)
    with closing(source), closing(sink):
        pipeline, judge = build(source, sink, metrics)
        deadline = time.monotonic() + 60
        while judge.judged != ["next"] and time.monotonic() < deadline:
            pipeline.step()
    assert judge.judged == ["next"]
    for kind in ("verdicts", "dead-letters"):
        assert registry.get_sample_value("inspector_foreign_records_total", {"topic": TOPICS.of(kind)}) == 1


def test_a_memo_that_cannot_be_read_has_the_verdicts_read_back(log: EmbeddedLog, path: Path) -> None:
    """A flipped bit keeps no worker from starting, and no verdict comes twice."""
    publish(log, line_of(1))
    source, sink = ends(log)
    with closing(source), closing(sink):
        work(build(source, sink)[0], path, 1)
    with closing(sqlite3.connect(path)) as base, base:
        base.execute("UPDATE positions SET memo = 'x'")
    source, sink = ends(log)
    with closing(source), closing(sink):
        (assignment,) = source.poll(0.0).gained
        assert len(assignment.verdicts) == 1


def step_until(pipeline: Pipeline, is_done: Callable[[], bool]) -> None:
    """And a little longer; gives up after a minute."""
    deadline_s = time.monotonic() + 60
    while not is_done() and time.monotonic() < deadline_s:
        pipeline.step()
    for _ in range(3):
        pipeline.step()


class RefusedOnce:
    """A commit that comes after another worker has taken over."""

    def __init__(self, sink: Sink) -> None:
        self._sink, self.refused = sink, 0

    def commit(
        self, outputs: Sequence[Output], positions: Mapping[TopicPartition, Position], epoch: object
    ) -> Mapping[TopicPartition, int]:
        if outputs and not self.refused:
            self.refused += 1
            raise CommitRefusedError("taken over")
        return self._sink.commit(outputs, positions, epoch)

    def close(self) -> None:
        self._sink.close()


def test_after_a_refused_commit_nothing_of_it_is_published(log: EmbeddedLog, path: Path) -> None:
    publish(log, line_of(NUM_PIECES))
    source, sink = ends(log)
    refusing = RefusedOnce(sink)
    with closing(source), closing(sink):
        pipeline, judge = build(source, refusing)
        step_until(pipeline, lambda: refusing.refused > 0)
    assert refusing.refused == 1
    assert len(judge.judged) == NUM_PIECES
    assert written(path, "verdicts") == []


class Parking:
    """A source that never delivers one topic, like a client that had parked a partition's records."""

    def __init__(self, source: Source, topic: str) -> None:
        self._source, self._at = source, TopicPartition(topic, 0)

    def poll(self, timeout_s: float) -> Batch:
        batch = self._source.poll(0.0)
        kept = [record for record in batch.records if record.topic != self._at.topic]
        return replace(batch, records=kept, at_end=frozenset(), unread=batch.unread | {self._at}, lag={self._at: 5})

    def pause(self, partitions: AbstractSet[TopicPartition]) -> None:
        self._source.pause(partitions)

    def close(self) -> None:
        self._source.close()


def test_a_topic_that_is_never_delivered_is_named(log: EmbeddedLog, path: Path) -> None:
    publish(log, line_of(NUM_PIECES))
    source, sink = ends(log)
    watch = StallWatch(StallSettings(after_s=30.0), 0.0)
    with closing(source), closing(sink):
        pipeline, _ = build(Parking(source, TOPICS.of("signals")), sink)
        pipeline._watch, pipeline._monotonic = watch, iter(range(1000)).__next__
        while not watch.findings:
            pipeline.step()
    assert written(path, "verdicts") == []
    (finding,) = watch.findings
    assert "qa.line-1.signals, partition 0, holds 5 unread records" in finding
    assert f"{NUM_PIECES} pieces are open" in finding


class Disagreeing:
    """A shadow that decides FAIL for every piece."""

    def __init__(self) -> None:
        self.num_judged, self.pairs = 0, list[ShadowPair]()

    def judge(self, observations: Sequence[Observation], verdicts: Sequence[Verdict]) -> list[ShadowPair]:
        self.num_judged += len(observations)
        pairs = []
        for live in verdicts:
            shadow = Verdict()
            shadow.CopyFrom(live)
            shadow.decision, shadow.shadow = verdict_pb2.DECISION_FAIL, True
            pairs.append(ShadowPair(live, shadow))
        return pairs

    def published(self, compared: Sequence[ShadowPair]) -> None:
        self.pairs += compared


def test_shadow_verdicts_go_to_their_own_topic(log: EmbeddedLog, path: Path) -> None:
    publish(log, line_of(NUM_PIECES))
    source, sink = ends(log)
    shadow = Disagreeing()
    with closing(source), closing(sink):
        pipeline, _ = build(source, sink)
        pipeline._shadow = shadow
        verdicts = work(pipeline, path, NUM_PIECES)
    shadows = [Verdict.FromString(value) for value in written(path, "shadow")]
    assert {verdict.decision for verdict in verdicts} == {verdict_pb2.DECISION_PASS}
    assert [v.inspection.piece_id for v in shadows] == [v.inspection.piece_id for v in verdicts]
    assert all(verdict.publish_ns for verdict in shadows)
    assert len(shadow.pairs) == NUM_PIECES


def test_shadow_verdicts_of_a_refused_commit_are_neither_published_nor_counted(log: EmbeddedLog, path: Path) -> None:
    publish(log, line_of(NUM_PIECES))
    source, sink = ends(log)
    shadow = Disagreeing()
    with closing(source), closing(sink):
        refusing = RefusedOnce(sink)
        pipeline, _ = build(source, refusing)
        pipeline._shadow = shadow
        step_until(pipeline, lambda: refusing.refused > 0)
    assert (shadow.num_judged, shadow.pairs, written(path, "shadow")) == (NUM_PIECES, [], [])


def test_bad_records_become_dead_letters_and_their_pieces_get_review(log: EmbeddedLog, path: Path) -> None:
    begin_ns = time.time_ns() - 2_000_000_000
    good, doubled, broken = frame("good", begin_ns), frame("good", begin_ns), frame("bad", begin_ns + GAP_NS, PNG[:-9])
    publish(log, [good, doubled, broken, chunk(0, begin_ns), chunk(1, begin_ns)])
    metrics = WorkerMetrics(registry := CollectorRegistry())
    source, sink = ends(log)
    with closing(source), closing(sink):
        verdicts = work(build(source, sink, metrics)[0], path, 2)
    assert {v.inspection.piece_id: v.decision for v in verdicts} == {
        "good": verdict_pb2.DECISION_PASS,
        "bad": verdict_pb2.DECISION_REVIEW,
    }
    letters = [DeadLetter.FromString(value) for value in written(path, "dead-letters")]
    assert [letter.reason for letter in letters] == [DEAD_LETTER_REASON_DUPLICATE, DEAD_LETTER_REASON_BAD_IMAGE]
    assert letters[0].raw == b""
    assert letters[1].raw.startswith(broken.value[:16])
    labels = {"line": "line-1", "reason": "bad_image"}
    assert registry.get_sample_value("inspector_dead_letters_total", labels) == 1


def test_verdicts_are_counted_by_decision(log: EmbeddedLog, path: Path) -> None:
    publish(log, line_of(NUM_PIECES))
    metrics = WorkerMetrics(registry := CollectorRegistry())
    source, sink = ends(log)
    with closing(source), closing(sink):
        work(build(source, sink, metrics)[0], path, NUM_PIECES)
    labels = {"line": "line-1", "station": "st", "decision": "pass", "reason": "good"}
    assert registry.get_sample_value("inspector_verdicts_total", labels) == NUM_PIECES


def test_a_verdict_after_its_deadline_says_so(log: EmbeddedLog, path: Path) -> None:
    begin_ns = time.time_ns() - 20_000_000_000
    publish(log, [frame("old", begin_ns), chunk(0, begin_ns)])
    source, sink = ends(log)
    with closing(source), closing(sink):
        (verdict,) = work(build(source, sink)[0], path, 1)
    assert verdict.deadline_missed


def test_an_engine_that_stops_the_line_commits_nothing(
    log: EmbeddedLog, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recipe says so (engine_fault = "stop"); the next worker judges these pieces."""

    def lost(observations: Sequence[Observation]) -> list[Verdict]:
        raise LostDeviceError("run on the device: cudaErrorIllegalAddress")

    publish(log, line_of(NUM_PIECES))
    source, sink = ends(log)
    with closing(source), closing(sink):
        pipeline, judge = build(source, sink)
        monkeypatch.setattr(judge, "judge", lost)
        with pytest.raises(LostDeviceError):
            work(pipeline, path, NUM_PIECES)
    assert written(path, "verdicts") == []
    source, sink = ends(log)
    with closing(source), closing(sink):
        verdicts = work(build(source, sink)[0], path, NUM_PIECES)
    assert sorted(verdict.inspection.piece_id for verdict in verdicts) == [f"p{n}" for n in range(NUM_PIECES)]
