"""The embedded log: exactly-once commits, the lease, retention, tails, several processes."""

import logging
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from streams import token
from streams.embedded import EmbeddedLog, EmbeddedSettings
from streams.log import (
    Batch,
    CommitRefusedError,
    Log,
    LogError,
    LogFullError,
    Position,
    Publisher,
    Sink,
    Source,
    Start,
    TokenExpiredError,
    TokenInvalidError,
)
from streams.records import Output, Record, Shard, TopicPartition, Topics
from streams.resume import Memo

TOPICS = Topics("qa", "l1")
FRAMES = TopicPartition(TOPICS.of("frames"), 0)
SIGNALS = TopicPartition(TOPICS.of("signals"), 0)
VERDICTS = TopicPartition(TOPICS.of("verdicts"), 0)
SHARD = Shard("l1", 0)
SHORT = EmbeddedSettings(lease_s=0.3)


def output(kind: str, value: bytes) -> Output:
    return Output(TOPICS.of(kind), None, b"st", value, "inspection.v1.Test")


def frames(*values: bytes) -> list[Output]:
    return [output("frames", value) for value in values]


def publish(log: Log, *outputs: Output) -> None:
    with closing(log.publisher()) as publisher:
        publisher.publish(outputs)


def values(records: Batch | Sequence[Record]) -> list[bytes]:
    return [record.value for record in (records.records if isinstance(records, Batch) else records)]


def poll_records(source: Source, tries: int = 20) -> Batch:
    for _ in range(tries):
        batch = source.poll(0.1)
        if batch.records:
            return batch
    raise AssertionError("no records came")


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
        memo = Memo(read=batch.records[2].offset + 1, verdicts=first[VERDICTS], dead_letters=0).encode()
        ends = sink.commit(
            [output("verdicts", b"v1"), output("dead-letters", b"d1")],
            {FRAMES: Position(batch.records[1].offset, memo)},
            batch.epoch,
        )
    with closing(log.source(["l1"], "qa", "w")) as source:
        (assignment,) = source.poll(0).gained
        assert values(source.poll(0)) == [b"2", b"3"]
    assert assignment.positions == {FRAMES.topic: Position(batch.records[1].offset, memo)}
    assert (values(assignment.verdicts), values(assignment.dead_letters)) == ([b"v1"], [b"d1"])
    assert assignment.verdict_end >= ends[VERDICTS]


def test_a_refused_commit_writes_nothing_and_the_shard_is_lost(log: EmbeddedLog, source: Source, sink: Sink) -> None:
    publish(log, *frames(b"1"))
    source.poll(0)
    batch = source.poll(0)
    with closing(log.source(["l1"], "qa", "worker-1")) as successor:  # the same name: it takes over at once
        assert successor.poll(0).gained
        with pytest.raises(CommitRefusedError, match="drop all state"):
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
        assert [record.message for record in caplog.records] == [
            "worker-2 waits: worker-1 holds the lease until it is silent for its lease time"
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
        sink.commit([output("verdicts", b"kept")], {FRAMES: Position(1, Memo(1, verdicts=kept).encode())}, epoch)
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


@pytest.fixture
def verdicts(log: Log) -> list[Record]:
    for value in (b"1", b"2", b"3"):
        publish(log, output("verdicts", value))
    with closing(log.tail(Start(earliest=True))) as tail:
        return list(tail.poll(0))


def tail_values(log: Log, start: Start) -> list[bytes]:
    with closing(log.tail(start)) as tail:
        publish(log, output("verdicts", b"later"))
        return values(tail.poll(0))


def test_a_tail_from_earliest_shows_all(log: Log, verdicts: list[Record]) -> None:
    assert tail_values(log, Start(earliest=True)) == [b"1", b"2", b"3", b"later"]


def test_a_live_tail_shows_what_comes(log: Log, verdicts: list[Record]) -> None:
    assert tail_values(log, Start()) == [b"later"]


def test_a_tail_from_a_time_begins_with_the_first_record_then(log: Log, verdicts: list[Record]) -> None:
    assert tail_values(log, Start(time_ns=verdicts[1].append_ns)) == [b"2", b"3", b"later"]


def test_a_token_resumes_behind_its_message(log: Log, verdicts: list[Record]) -> None:
    made = token.encode({VERDICTS: verdicts[1].offset + 1})
    assert tail_values(log, Start(token=made)) == [b"3", b"later"]


def test_the_position_of_a_tail_is_a_token(log: Log, verdicts: list[Record]) -> None:
    with closing(log.tail(Start(earliest=True))) as tail:
        tail.poll(0)
        made = token.encode(tail.position())
    assert tail_values(log, Start(token=made)) == [b"later"]


def test_a_line_that_is_younger_than_the_token_is_shown_whole(log: Log, verdicts: list[Record]) -> None:
    with closing(log.tail(Start())) as tail:
        made = token.encode(tail.position())
    publish(log, Output("qa.l2.verdicts", None, b"st", b"first of l2", "t"))
    assert tail_values(log, Start(token=made)) == [b"first of l2", b"later"]


@pytest.mark.parametrize(
    "positions",
    [{TopicPartition("other.verdicts", 0): 1}, {VERDICTS: 10**9}],
)
def test_a_token_of_another_log_is_refused(
    log: Log, verdicts: list[Record], positions: dict[TopicPartition, int]
) -> None:
    with pytest.raises(TokenInvalidError):
        log.tail(Start(token=token.encode(positions)))


def test_a_token_past_retention_says_what_is_left(path: Path, log: Log, verdicts: list[Record]) -> None:
    publish(EmbeddedLog(path, EmbeddedSettings(max_age_s=0.0)), output("verdicts", b"4"))
    for start in (Start(token=token.encode({VERDICTS: verdicts[1].offset})), Start(time_ns=verdicts[2].append_ns)):
        with pytest.raises(TokenExpiredError, match="start with earliest") as caught:
            log.tail(start)
        with closing(log.tail(Start(earliest=True))) as tail:
            assert caught.value.oldest_ns == tail.poll(0)[0].append_ns


def test_a_tail_goes_through_a_long_topic_in_order(path: Path) -> None:
    log = EmbeddedLog(path, EmbeddedSettings(max_poll_records=7))
    sent = [b"%d" % index for index in range(40)]
    for index, value in enumerate(sent):
        publish(log, Output(f"qa.l{index % 3}.verdicts", None, b"", value, "t"))
    seen: list[bytes] = []
    start = Start(earliest=True)
    for _ in range(8):  # every poll by a new tail from the token of the one before
        with closing(log.tail(start)) as tail:
            seen += values(tail.poll(0))
            start = Start(token=token.encode(tail.position()))
    assert seen == sent


def append(path: Path, writer: int, count: int) -> None:
    log = EmbeddedLog(path)
    with closing(log.publisher()) as publisher:
        for index in range(count):
            publisher.publish(frames(b"%d:%d" % (writer, index)))


def test_several_processes_open_a_new_file_and_append_at_once(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=append, args=(path, writer, 50)) for writer in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    with closing(EmbeddedLog(path).source(["l1"], "qa", "w")) as source:
        source.poll(0)
        got = values(source.poll(0))
    for number in range(3):
        mine = [value for value in got if value.startswith(b"%d:" % number)]
        assert mine == [b"%d:%d" % (number, index) for index in range(50)]


WORKER = """
import sys
from pathlib import Path
from streams.embedded import EmbeddedLog
from streams.log import Position
from streams.records import Output, TopicPartition
log = EmbeddedLog(Path(sys.argv[1]))
source, sink = log.source(["l1"], "qa", "w"), log.sink()
print("up", flush=True)
while True:
    batch = source.poll(0.05)
    for record in batch.records:
        made = [Output("qa.l1.verdicts", 0, b"", record.value, "t")]
        sink.commit(made, {TopicPartition(record.topic, 0): Position(record.offset + 1)}, batch.epoch)
"""


def start_worker(path: Path) -> subprocess.Popen[bytes]:
    worker = subprocess.Popen([sys.executable, "-c", WORKER, str(path)], stdout=subprocess.PIPE)
    assert worker.stdout is not None
    assert worker.stdout.readline() == b"up\n"
    return worker


def end(worker: subprocess.Popen[bytes]) -> None:
    worker.kill()
    worker.communicate()


def verdict_values(log: Log) -> list[bytes]:
    seen: list[bytes] = []
    with closing(log.tail(Start(earliest=True))) as tail:
        while records := tail.poll(0):
            seen += values(records)
    return seen


def test_a_worker_killed_between_and_in_commits_publishes_each_record_once(path: Path) -> None:
    log, sent = EmbeddedLog(path), [b"%d" % index for index in range(400)]
    publish(log, *frames(*sent))
    kills = 0
    while len(seen := verdict_values(log)) < len(sent):
        worker = start_worker(path)
        while len(verdict_values(log)) in range(len(seen), min(len(seen) + 60, len(sent))):
            time.sleep(0.001)
        end(worker)
        kills += 1
    assert kills >= 4
    assert verdict_values(log) == sent


def test_a_producer_killed_while_appending_leaves_whole_batches(path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from streams.embedded import EmbeddedLog\n"
        "from streams.records import Output\n"
        "publisher = EmbeddedLog(Path(sys.argv[1])).publisher()\n"
        "for i in range(10**9): publisher.publish([Output('qa.l1.frames', 0, b'', b'%d' % i, 't')] * 3)"
    )
    producer = subprocess.Popen([sys.executable, "-c", script, str(path)])
    log = EmbeddedLog(path)
    with closing(log.source(["l1"], "qa", "w")) as source:
        got = values(poll_records(source, tries=100))
        end(producer)
        while more := values(source.poll(0)):
            got += more
    assert got == [b"%d" % (index // 3) for index in range(len(got))]
    assert len(got) % 3 == 0
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


TORN = """
import os, sys
from pathlib import Path
from streams.embedded.store import EmbeddedSettings, Store
from streams.records import Output
store = Store(Path(sys.argv[1]), EmbeddedSettings())
with store.write(durable=True):
    store.append([Output("qa.l1.verdicts", 0, b"", bytes(100_000), "t")] * 100)
    os.kill(os.getpid(), 9)
"""


def test_a_process_killed_before_the_end_of_its_transaction_leaves_nothing(path: Path) -> None:
    log = EmbeddedLog(path)
    killed = subprocess.run([sys.executable, "-c", TORN, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert verdict_values(log) == []
    publish(log, output("verdicts", b"next"))
    assert verdict_values(log) == [b"next"]


def test_a_tail_that_is_too_slow_is_told_so(path: Path) -> None:
    log = EmbeddedLog(path)
    publish(log, output("verdicts", b"1"))
    with closing(log.tail(Start(earliest=True))) as tail:
        publish(EmbeddedLog(path, EmbeddedSettings(max_age_s=0.0)), output("verdicts", b"2"))
        with pytest.raises(TokenExpiredError):
            tail.poll(0)


def test_a_waiting_tail_wakes_when_another_process_appends(path: Path) -> None:
    log = EmbeddedLog(path)
    with closing(log.tail(Start())) as tail:
        writer = multiprocessing.get_context("spawn").Process(target=append_verdict, args=(path,))
        writer.start()
        assert values(tail.poll(30)) == [b"now"]
        writer.join()


def append_verdict(path: Path) -> None:
    publish(EmbeddedLog(path), output("verdicts", b"now"))


def test_a_stopped_owner_that_wakes_publishes_nothing(path: Path) -> None:
    log = EmbeddedLog(path)
    publish(log, *frames(b"0"))
    worker = start_worker(path)
    while not verdict_values(log):
        time.sleep(0.005)
    os.kill(worker.pid, signal.SIGSTOP)
    try:
        with closing(log.source(["l1"], "qa", "w")) as source, closing(log.sink()) as sink:
            epoch = source.poll(0).epoch
            os.kill(worker.pid, signal.SIGCONT)
            publish(log, *frames(b"1"))
            batch = poll_records(source)
            sink.commit([output("verdicts", b"1")], {FRAMES: Position(batch.records[-1].offset + 1)}, epoch)
            time.sleep(0.3)  # the woken process polls 20 times a second
            assert worker.poll() is None
    finally:
        os.kill(worker.pid, signal.SIGCONT)
        end(worker)
    assert verdict_values(log) == [b"0", b"1"]


def test_a_file_of_something_else_is_refused(path: Path) -> None:
    path.write_bytes(b"not a database, but long enough to be read as one" * 50)
    with pytest.raises(LogError, match=r"log\.db"):
        EmbeddedLog(path)


def test_a_log_of_a_later_version_is_refused(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 7")
    with pytest.raises(LogError, match="version 7, expected 1"):
        EmbeddedLog(path)
