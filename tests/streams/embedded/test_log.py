"""The embedded log: exactly-once commits, the lease, retention."""

import logging
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from streams.embedded import EmbeddedLog, EmbeddedSettings
from streams.embedded.file import APPLICATION_ID
from streams.join.offset_metadata import OffsetMetadata
from streams.log import (
    CommitRefusedError,
    Log,
    LogError,
    LogFullError,
    Position,
    Publisher,
    Sink,
    Source,
    Start,
)
from tests.embedded_parts import (
    FRAMES,
    SHARD,
    SHORT,
    TOPICS,
    VERDICTS,
    frames,
    output,
    publish,
    values,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
def log(path: Path) -> Iterator[Log]:
    with closing(EmbeddedLog(path, SHORT)) as opened:
        yield opened


@pytest.fixture
def source(log: EmbeddedLog) -> Iterator[Source]:
    with closing(log.source(["l1"], "qa", "worker-1")) as opened:
        yield opened


@pytest.fixture
def sink(log: EmbeddedLog) -> Iterator[Sink]:
    with closing(log.sink()) as opened:
        yield opened


def test_records_come_back_as_they_were_published(log: Log, source: Source) -> None:
    before_ns = time.time_ns()
    publish(log, output("frames", b"a"), output("signals", b"b"), output("pieces", b""), output("feedback", b"x"))
    source.poll(0)
    records = source.poll(0).records
    assert [(r.topic, r.value) for r in records] == [
        (TOPICS.of("frames"), b"a"),
        (TOPICS.of("signals"), b"b"),
        (TOPICS.of("pieces"), b""),
    ]
    assert {(r.key, r.type, r.partition) for r in records} == {(b"st", "inspection.v1.Test", 0)}
    assert all(before_ns <= r.append_ns <= time.time_ns() for r in records)


def test_the_first_batch_gains_the_shard(source: Source) -> None:
    (assignment,) = source.poll(0).gained
    assert (assignment.shard, assignment.positions) == (SHARD, {})
    assert set(assignment.starts) == set(TOPICS.inputs)


def test_at_end_needs_every_record_to_be_given(path: Path) -> None:
    log = EmbeddedLog(path, EmbeddedSettings(max_poll_records=2))
    publish(log, *frames(b"1", b"2", b"3"))
    with closing(log.source(["l1"], "qa", "w")) as source:
        assert source.poll(0).at_end == frozenset()
        first, second = source.poll(0), source.poll(0)
    assert (values(first), first.at_end, first.unread) == ([b"1", b"2"], frozenset(), {FRAMES})
    assert (values(second), second.at_end, second.unread) == ([b"3"], {SHARD}, frozenset())


def test_one_poll_is_bounded_in_bytes(path: Path) -> None:
    log = EmbeddedLog(path, EmbeddedSettings(max_poll_bytes=1000))
    publish(log, *frames(*[bytes(600)] * 5))
    with closing(log.source(["l1"], "qa", "w")) as source:
        source.poll(0)
        assert [len(source.poll(0).records) for _ in range(4)] == [2, 2, 1, 0]


def test_a_paused_partition_gives_nothing_and_is_unread(log: Log, source: Source) -> None:
    publish(log, output("frames", b"a"), output("signals", b"b"))
    source.poll(0)
    source.pause({FRAMES})
    batch = source.poll(0)
    assert (values(batch), batch.unread, batch.at_end) == ([b"b"], {FRAMES}, frozenset())
    source.pause(frozenset())
    assert values(source.poll(0)) == [b"a"]


def test_live_begins_behind_what_is_there(log: EmbeddedLog) -> None:
    publish(log, *frames(b"old"))
    with closing(log.source(["l1"], "qa", "w", start_at="live")) as source:
        source.poll(0)
        publish(log, *frames(b"new"))
        assert values(source.poll(0)) == [b"new"]


def test_a_successor_reads_on_and_reads_back(log: EmbeddedLog, sink: Sink) -> None:
    publish(log, *frames(b"1", b"2", b"3"))
    with closing(log.source(["l1"], "qa", "w")) as source:
        source.poll(0)
        batch = source.poll(0)
        first = sink.commit([output("verdicts", b"v0")], {}, batch.epoch)
        memo = OffsetMetadata(read=batch.records[2].offset + 1, verdicts=first[VERDICTS], dead_letters=0).encode()
        ends = sink.commit(
            [output("verdicts", b"v1"), output("dead-letters", b"d1")],
            {FRAMES: Position(batch.records[1].offset, memo)},
            batch.epoch,
        )
    with closing(log.source(["l1"], "qa", "w")) as source:
        (assignment,) = source.poll(0).gained
        assert (values(assignment.verdicts), values(assignment.dead_letters)) == ([b"v1"], [b"d1"])
        assert values(source.poll(0)) == [b"2", b"3"]
    counted = replace(OffsetMetadata.decode(memo, 0), unsettled=1).encode()
    assert assignment.positions == {FRAMES.topic: Position(batch.records[1].offset, counted)}
    assert assignment.verdict_end >= ends[VERDICTS]


def test_a_refused_commit_writes_nothing_and_the_shard_is_lost(log: EmbeddedLog, source: Source, sink: Sink) -> None:
    publish(log, *frames(b"1"))
    source.poll(0)
    batch = source.poll(0)
    with closing(log.source(["l1"], "qa", "worker-1")) as successor:  # the same name: it takes over at once
        assert successor.poll(0).gained
        with pytest.raises(CommitRefusedError, match="another worker holds the lease"):
            sink.commit([output("verdicts", b"v")], {FRAMES: Position(9)}, batch.epoch)
        lost = source.poll(0)
        assert (lost.lost, lost.records) == ({SHARD}, ())
        assert source.poll(0.01).gained == ()
        assert values(successor.poll(0)) == [b"1"]
    with closing(log.tail(Start(earliest=True))) as tail:
        assert tail.poll(0) == []


def test_another_owner_waits_for_the_lease_and_says_so_once(
    log: EmbeddedLog, source: Source, caplog: pytest.LogCaptureFixture
) -> None:
    source.poll(0)
    with caplog.at_level(logging.WARNING), closing(log.source(["l1"], "qa", "worker-2")) as other:
        assert not other.poll(0).gained
        assert not other.poll(0).gained
        assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == [
            "Worker worker-2 stands by: worker worker-1 judges lines l1. It takes over when that worker stops, or is "
            "silent for 0.3 s."
        ]
        while not other.poll(0.05).gained:  # worker-1 is silent: the lease of 0.3 s runs out
            pass
    assert source.poll(0).lost == {SHARD}


def test_polling_renews_the_lease(log: EmbeddedLog, source: Source) -> None:
    deadline_s = time.monotonic() + 3 * SHORT.lease_s
    source.poll(0)
    with closing(log.source(["l1"], "qa", "worker-2")) as other:
        while time.monotonic() < deadline_s:
            assert not source.poll(0.02).lost
            assert not other.poll(0).gained


def test_a_closed_source_frees_its_lines_at_once(log: EmbeddedLog, source: Source) -> None:
    with closing(log.source(["l1"], "qa", "worker-2")) as other:
        assert other.poll(0).gained
    assert source.poll(0).gained


def test_two_owners_may_have_different_lines(log: EmbeddedLog, source: Source) -> None:
    with closing(log.source(["l2"], "qa", "worker-2")) as other:
        assert source.poll(0).gained
        assert other.poll(0).gained
        assert not source.poll(0).lost


SMALL = EmbeddedSettings(max_bytes=2 * 2**20)


def fill(publisher: Publisher, kind: str) -> int:
    """Publishes until the log is full; returns how many records it took."""
    for count in range(1000):
        try:
            publisher.publish([output(kind, bytes(20_000))])
        except LogFullError:
            return count
    raise AssertionError("the log never was full")


def test_a_full_log_refuses_until_a_commit_lets_records_go(path: Path) -> None:
    log = EmbeddedLog(path, SMALL)
    with closing(log.publisher()) as publisher, closing(log.source(["l1"], "qa", "w")) as source:
        num_taken = fill(publisher, "frames")
        assert num_taken > 50
        with pytest.raises(LogFullError, match="start the worker, or raise max_bytes"):
            publisher.publish(frames(bytes(20_000)))
        source.poll(0)
        batch = source.poll(0)
        assert len(batch.records) == num_taken  # nothing unread was deleted
        with closing(log.sink()) as sink:
            sink.commit([], {FRAMES: Position(batch.records[-2].offset)}, batch.epoch)
        publisher.publish(frames(b"new"))
    with closing(log.source(["l1"], "qa", "w")) as source:
        source.poll(0)
        assert [len(value) for value in values(source.poll(0))] == [20_000, 20_000, 3]


def test_verdicts_that_a_successor_reads_back_are_kept(path: Path) -> None:
    log = EmbeddedLog(path, SMALL)
    with closing(log.source(["l1"], "qa", "w")) as source, closing(log.sink()) as sink:
        epoch = source.poll(0).epoch
        kept = sink.commit([output("verdicts", bytes(9))], {}, epoch)[VERDICTS]
        sink.commit(
            [output("verdicts", b"kept")], {FRAMES: Position(1, OffsetMetadata(1, verdicts=kept).encode())}, epoch
        )
    with closing(log.publisher()) as publisher:
        assert fill(publisher, "signals") > 50
    with closing(log.tail(Start(earliest=True))) as tail:
        assert b"kept" in values(tail.poll(0))


def test_records_above_the_age_are_deleted_but_never_unread_ones(path: Path) -> None:
    publish(EmbeddedLog(path), *frames(b"unread"), output("verdicts", b"old"))
    publish(EmbeddedLog(path, EmbeddedSettings(max_age_s=0.0)), output("verdicts", b"new"))
    log = EmbeddedLog(path)
    with closing(log.tail(Start(earliest=True))) as tail, closing(log.source(["l1"], "qa", "w")) as source:
        assert values(tail.poll(0)) == [b"new"]
        source.poll(0)
        assert values(source.poll(0)) == [b"unread"]


def test_a_file_of_something_else_is_refused(path: Path) -> None:
    path.write_bytes(b"not a database, but long enough to be read as one" * 50)
    with pytest.raises(LogError, match=r"log\.db"):
        EmbeddedLog(path)


def test_a_log_of_a_later_version_is_refused(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute("PRAGMA user_version = 7")
    with pytest.raises(LogError, match="version 7, expected at most 2"):
        EmbeddedLog(path)


def test_records_of_a_stream_are_gathered(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = EmbeddedLog(path, EmbeddedSettings(gather_s=60.0))
    with closing(log.publisher()) as publisher, closing(log.source(["l1"], "qa", "w")) as source:
        source.poll(0)
        publisher.publish(frames(b"first"))
        assert values(source.poll(0)) == [b"first"]
        publisher.publish(frames(b"second"))
        monkeypatch.setattr("streams.deadline.time.sleep", lambda _: publisher.publish(frames(b"third")))
        assert values(source.poll(30.0)) == [b"second", b"third"]


def test_a_backlog_is_read_without_a_pause(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = EmbeddedLog(path, EmbeddedSettings(gather_s=60.0, max_poll_records=1))
    publish(log, *frames(b"first", b"second"))
    naps: list[float] = []
    with closing(log.source(["l1"], "qa", "w")) as source:
        source.poll(0)
        monkeypatch.setattr("streams.deadline.time.sleep", naps.append)
        assert [values(source.poll(30.0)) for _ in range(2)] == [[b"first"], [b"second"]]
    assert not any(naps)
