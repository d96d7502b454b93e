"""A source delivers shards with their predecessors' output, records, ends and losses. Against a real broker."""

import time
import tracemalloc
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Literal

import pytest
from kafka import KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType

from inspector.verdicts.records import essence, judged_from
from protos.inspection.v1.records_pb2 import Inspection
from protos.inspection.v1.verdict_pb2 import Verdict
from streams.join.offset_metadata import OffsetMetadata
from streams.kafka.client import open_admin
from streams.kafka.log import KafkaLog
from streams.kafka.readback import OutputReplay
from streams.kafka.sink import KafkaSink
from streams.kafka.source import KafkaSource
from streams.kafka.topics import STAMP
from streams.log import Batch, CommitRefusedError, LogError, Position, TopicsError
from streams.log_clock import LogClock
from streams.records import TYPE_HEADER, Shard, TopicPartition
from tests.integration.kafka_line import FRAME, KafkaLine, poll_for, poll_until

pytestmark = pytest.mark.broker


class Worker:
    """A sink and a source under one name."""

    def __init__(self, log: KafkaLog) -> None:
        self.sink: KafkaSink = log.sink()
        self.source: KafkaSource = log.source()

    def close(self) -> None:
        self.source.close()
        self.sink.close()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def work(line: KafkaLine, stack: ExitStack, name: str = "worker-1") -> Worker:
    return stack.enter_context(closing(Worker(line.log(name))))


def frames(line: KafkaLine, partition: int = 0) -> TopicPartition:
    return TopicPartition(line.topics.of("frames"), partition)


def memo(read: int, verdicts: int = 0) -> str:
    return OffsetMetadata(read=read, verdicts=verdicts, dead_letters=0).encode()


def test_records_carry_key_type_and_append_time(line: KafkaLine, stack: ExitStack) -> None:
    line.publish([b"a"])
    _, (record,) = poll_until(work(line, stack).source, 1)
    assert (record.key, record.type, record.value, record.offset) == (b"station", FRAME, b"a", 0)
    assert record.append_ns > 1_700_000_000 * 10**9


def test_a_group_without_commits_gains_its_shards_at_the_earliest(line: KafkaLine, stack: ExitStack) -> None:
    line.publish([b"a", b"b"])
    batch = poll_for(work(line, stack).source, "gained")
    assert {gain.shard for gain in batch.gained} == {Shard(line.name, 0), Shard(line.name, 1)}
    assert [gain.starts for gain in batch.gained] == [dict.fromkeys(line.topics.inputs, 0)] * 2
    assert [gain.num_partitions for gain in batch.gained] == [2, 2]


def test_live_starts_at_the_end_and_stays_there_for_the_successor(line: KafkaLine, stack: ExitStack) -> None:
    line.publish([b"old", b"older"])
    live = replace(line, settings=replace(line.settings, start_at="live"))
    with closing(Worker(live.log())) as first:
        poll_for(first.source, "gained")
    line.publish([b"new"])
    _, records = poll_until(work(live, stack).source, 1)
    assert [record.value for record in records] == [b"new"]


def test_a_successor_gets_position_memo_and_what_was_published(line: KafkaLine, stack: ExitStack) -> None:
    line.publish([b"a", b"b", b"c"])
    with closing(Worker(line.log())) as first:
        batches, _ = poll_until(first.source, 3)
        first.sink.commit([line.verdict(b"A")], {frames(line): Position(0, memo(1))}, batches[-1].epoch)
        ends = first.sink.commit([line.verdict(b"B")], {frames(line): Position(1, memo(2, 2))}, batches[-1].epoch)
    assert ends == {TopicPartition(line.topics.of("verdicts"), 0): 3}  # the first commit's marker has an offset too
    batch = poll_for(work(line, stack).source, "gained")
    gained = next(gain for gain in batch.gained if gain.shard.partition == 0)
    counted = OffsetMetadata(read=2, verdicts=2, dead_letters=0, starts=1, unsettled=1)
    assert gained.positions[frames(line).topic] == Position(1, counted.encode())
    assert gained.starts[frames(line).topic] == 1
    assert [record.value for record in gained.verdicts] == [b"B"]
    assert gained.verdict_end >= 3


def test_read_back_waits_until_an_open_transaction_is_decided(line: KafkaLine, stack: ExitStack) -> None:
    patient = replace(line, settings=replace(line.settings, transaction_timeout_s=30.0))
    line.publish([b"a"], partition=0)
    line.publish([b"b"], partition=1)
    first = work(patient, stack)
    batches, _ = poll_until(first.source, 2)
    both = {frames(line, number): Position(0, memo(1)) for number in (0, 1)}
    first.sink.commit([], both, batches[-1].epoch)
    producer = first.sink._producer
    assert producer is not None
    producer.begin_transaction()
    first.sink._produce(producer, [line.verdict(b"undecided", number) for number in (0, 1)])
    second = work(patient, stack, "worker-2")
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        assert not first.source.poll(0.05).gained
        assert not second.source.poll(0.05).gained
    producer.commit_transaction()
    gained = poll_both(first, second, until=second).gained
    assert [record.value for record in gained[0].verdicts] == [b"undecided"]


def test_any_number_of_large_outputs_can_be_read_back(line: KafkaLine) -> None:
    """160 records of 8 MB that somebody had written there took a starting worker to 1.46 GB."""
    line.publish([bytes(8_000_000)] * 12, kind="verdicts")
    verdict = Verdict(inspection=Inspection(line=line.name, station="st", piece_id="p"), entry_ns=70)
    verdict.images.add(heat_map_png=bytes(8_000_000))
    with closing(line.log("publisher").publisher()) as publisher:
        publisher.publish([line.verdict(verdict.SerializeToString())] * 4)
    verdicts = TopicPartition(line.topics.of("verdicts"), 0)
    tracemalloc.start()
    try:
        with closing(OutputReplay(line.settings, {verdicts: 0}, essence)) as readback:
            while not readback.step(0.1):
                pass
            held_bytes, peak_bytes = tracemalloc.get_traced_memory()
            end, records = readback.end(verdicts), readback.records(verdicts)
    finally:
        tracemalloc.stop()
    assert end == 16
    assert [judged_from(record, line.name, 0.0) is not None for record in records] == [False] * 12 + [True] * 4
    assert peak_bytes < 80_000_000, held_bytes


def test_everything_read_is_confirmed_at_end_and_nothing_is_unread(line: KafkaLine, stack: ExitStack) -> None:
    line.publish([b"a"])
    source = work(line, stack).source
    batch = poll_for(source, "at_end")
    while len(batch.at_end) < 2:
        batch = poll_for(source, "at_end")
    assert batch.unread == frozenset()


def test_a_paused_partition_gives_nothing_and_counts_as_unread(line: KafkaLine, stack: ExitStack) -> None:
    source = work(line, stack).source
    poll_for(source, "at_end")
    source.pause({frames(line)})
    line.publish([b"held"], partition=0)
    line.publish([b"free"], partition=1)
    batches, records = poll_until(source, 2, timeout_s=1.5)
    assert [record.value for record in records] == [b"free"]
    assert batches[-1].unread == {frames(line)}
    assert Shard(line.name, 0) not in batches[-1].at_end
    source.pause(frozenset())
    assert [record.value for record in poll_until(source, 1)[1]] == [b"held"]


def test_what_a_pause_left_in_the_client_comes_again_after_a_rebalance(line: KafkaLine, stack: ExitStack) -> None:
    few = replace(line, settings=replace(line.settings, max_poll_records=20))
    line.publish([b"x"] * 100, partition=0)
    first = work(few, stack)
    poll_until(first.source, 1)
    first.source.pause({frames(line)})
    line.publish([b"y"] * 30, partition=1)
    assert len(poll_until(first.source, 30)[1]) == 30
    second = work(few, stack, "worker-2")
    poll_both(first, second, until=first)
    _, records = poll_until(first.source, 100)
    assert [record.offset for record in records if record.partition == 0] == list(range(100))


class Latin(str):
    """A header name as a client in C may write it: its bytes are not UTF-8."""

    def encode(self, *_: object, **__: object) -> bytes:
        return b"\xfc"


def test_a_record_that_the_client_cannot_decode_is_given_as_such_and_stops_nothing(
    line: KafkaLine, stack: ExitStack
) -> None:
    producer = stack.enter_context(closing(KafkaProducer(bootstrap_servers=line.settings.bootstrap_servers)))
    names = [TYPE_HEADER, Latin("x"), TYPE_HEADER]
    for number, name in enumerate(names):
        producer.send(frames(line).topic, b"%d" % number, b"station", headers=[(name, FRAME.encode())], partition=0)
    producer.flush()
    _, records = poll_until(work(line, stack).source, 3)
    assert [(record.offset, bool(record.unreadable)) for record in records] == [(0, False), (1, True), (2, False)]
    assert "utf-8" in records[1].unreadable
    assert b"1" in records[1].value
    assert records[1].append_ns >= records[0].append_ns > 0


def test_what_cannot_be_decoded_of_the_outputs_is_read_back_as_such(line: KafkaLine, stack: ExitStack) -> None:
    line.publish([b"a"])
    with closing(Worker(line.log())) as first:
        batches, _ = poll_until(first.source, 1)
        first.sink.commit([line.verdict(b"A")], {frames(line): Position(1, memo(1))}, batches[-1].epoch)
    producer = stack.enter_context(closing(KafkaProducer(bootstrap_servers=line.settings.bootstrap_servers)))
    producer.send(line.topics.of("verdicts"), b"?", headers=[(Latin("x"), b"")], partition=0).get(10)
    line.publish([b"again"], kind="verdicts")
    gained = poll_for(work(line, stack).source, "gained").gained
    verdicts = next(gain.verdicts for gain in gained if gain.shard.partition == 0)
    assert [
        (verdict.value, verdict.type, bool(verdict.unreadable)) for verdict in verdicts if not verdict.unreadable
    ] == [
        (b"A", "inspection.v1.Verdict", False),
        (b"again", FRAME, False),
    ]
    assert [verdict.type for verdict in verdicts if verdict.unreadable] == [""]


def test_records_that_a_topic_lets_producers_stamp_move_no_clock_and_are_said_once(
    line: KafkaLine, stack: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    source = work(line, stack).source
    line.publish([b"a"])
    _, (first,) = poll_until(source, 1)
    with closing(open_admin(line.settings)) as admin:
        wrong = {STAMP: "CreateTime"}
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, frames(line).topic, wrong)])
    line.publish([b"b", b"c"])
    _, records = poll_until(source, 2)
    assert [(record.is_stamped_by_log, record.append_ns) for record in records] == [(False, first.append_ns)] * 2
    assert caplog.text.count("is stamped by its producer") == 1


def judge_three(line: KafkaLine) -> None:
    """Three frames, each with a verdict, by a worker that is gone."""
    line.publish([b"a", b"b", b"c"])
    with closing(Worker(line.log())) as first:
        batches, _ = poll_until(first.source, 3)
        for number, value in enumerate([b"A", b"B", b"C"]):
            positions = {frames(line): Position(number, memo(number + 1))}
            first.sink.commit([line.verdict(value)], positions, batches[-1].epoch)


@pytest.mark.parametrize(("start_at", "start", "values"), [("earliest", 0, [b"a", b"b", b"c"]), ("live", 3, [])])
def test_a_group_without_offsets_learns_of_the_verdicts_that_the_line_has(
    line: KafkaLine, stack: ExitStack, start_at: Literal["earliest", "live"], start: int, values: list[bytes]
) -> None:
    """Kafka has forgotten the offsets of the group: input that is read again must not be judged again."""
    judge_three(line)
    other = replace(line, settings=replace(line.settings, group=line.name + "-again", start_at=start_at))
    worker = work(other, stack)
    gained = next(gain for gain in poll_for(worker.source, "gained").gained if gain.shard.partition == 0)
    position = gained.positions[frames(line).topic]
    assert [verdict.value for verdict in gained.verdicts] == [b"A", b"B", b"C"]
    assert (position.offset, OffsetMetadata.decode(position.memo, position.offset).read) == (start, 3)
    assert gained.starts[frames(line).topic] == start
    assert [record.value for record in poll_until(worker.source, 3, timeout_s=60.0 if values else 0.5)[1]] == values


def test_offsets_that_another_program_has_reset_do_not_hide_the_verdicts(
    line: KafkaLine, stack: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    judge_three(line)
    with closing(Worker(line.log())) as other:
        batch = poll_for(other.source, "gained")
        other.sink.commit([], {frames(line): Position(0)}, batch.epoch)
    caplog.set_level("WARNING", "inspector.streams.kafka")
    gained = next(gain for gain in poll_for(work(line, stack).source, "gained").gained if gain.shard.partition == 0)
    position = gained.positions[frames(line).topic]
    assert (position.offset, OffsetMetadata.decode(position.memo, position.offset).read) == (0, 3)
    assert [verdict.value for verdict in gained.verdicts] == [b"A", b"B", b"C"]
    assert "pieces that have a verdict are not judged again" in caplog.text


def test_offsets_deleted_before_the_take_over_are_counted(
    line: KafkaLine, stack: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    line.publish([b"%d" % number for number in range(10)])
    with closing(Worker(line.log())) as first:
        batches, _ = poll_until(first.source, 10)
        first.sink.commit([], {frames(line): Position(2, memo(10))}, batches[-1].epoch)
    line.delete_before("frames", 0, 5)
    source = work(line, stack).source
    _, records = poll_until(source, 5)
    assert [record.offset for record in records] == [5, 6, 7, 8, 9]
    assert source.lost_offsets == {frames(line).topic: 3}
    assert "the broker deleted 3 records before this worker could read them (offsets 2 to 4)" in caplog.text


def test_offsets_deleted_while_paused_are_counted(line: KafkaLine, stack: ExitStack) -> None:
    source = work(line, stack).source
    poll_for(source, "gained")
    source.pause({frames(line)})
    source.poll(0.2)
    line.publish([b"%d" % number for number in range(10)])
    line.delete_before("frames", 0, 4)
    source.pause(frozenset())
    _, records = poll_until(source, 6)
    assert [record.offset for record in records] == [4, 5, 6, 7, 8, 9]
    assert source.lost_offsets == {frames(line).topic: 4}


def test_a_commit_of_an_earlier_generation_is_refused_and_the_shards_come_again(
    line: KafkaLine, stack: ExitStack
) -> None:
    line.publish([b"a"])
    first = work(line, stack)
    batches, _ = poll_until(first.source, 1)
    second = work(line, stack, "worker-2")
    poll_both(first, second, until=second)
    with pytest.raises(CommitRefusedError):
        first.sink.commit([line.verdict(b"A")], {frames(line): Position(1, memo(1))}, batches[-1].epoch)
    assert line.verdicts(1, timeout_s=0.5) == []
    poll_for(first.source, "gained")


def poll_both(first: Worker, second: Worker, until: Worker) -> Batch:
    """Polls two workers in turn until one of them gains a shard; the batch that gave it."""
    while True:
        for worker in (first, second):
            batch = worker.source.poll(0.05)
            if worker is until and batch.gained:
                return batch


def test_a_refused_commit_gives_lost_then_gained_without_a_rebalance(line: KafkaLine, stack: ExitStack) -> None:
    line.publish([b"a"])
    worker = work(line, stack)
    batches, _ = poll_until(worker.source, 1)
    stale = batches[-1].epoch._replace(generation_id=999)  # type: ignore[attr-defined]
    with pytest.raises(CommitRefusedError):
        worker.sink.commit([line.verdict(b"A")], {frames(line): Position(1, memo(1))}, stale)
    assert poll_for(worker.source, "lost").lost == {Shard(line.name, 0), Shard(line.name, 1)}
    batch = poll_for(worker.source, "gained")
    _, records = poll_until(worker.source, 1)
    worker.sink.commit([line.verdict(b"A")], {frames(line): Position(1, memo(1))}, batch.epoch)
    assert [record.value for record in records] == [b"a"]
    assert [record.value for record in line.verdicts(1)] == [b"A"]


def test_a_commit_without_membership_is_refused(line: KafkaLine, stack: ExitStack) -> None:
    """The broker would accept generation -1 unchecked."""
    source_epoch = Batch(epoch=object()).epoch
    with pytest.raises(CommitRefusedError):
        work(line, stack).sink.commit([line.verdict(b"A")], {}, source_epoch)


def test_a_commit_tells_how_far_the_clock_of_this_machine_is_off(line: KafkaLine, stack: ExitStack) -> None:
    clock = LogClock(by_wall=False, wall_ns=lambda: time.time_ns() + 121 * 10**9)
    worker = work(line, stack)
    worker.sink._clock = clock
    batch = poll_for(worker.source, "gained")
    worker.sink.commit([line.verdict(b"A")], {frames(line): Position(0, memo(0))}, batch.epoch)
    assert clock.skew_s == pytest.approx(121.0, abs=1.0)


def test_shards_that_are_being_handed_over_are_an_obstacle(line: KafkaLine, stack: ExitStack) -> None:
    source = work(line, stack).source
    obstacles = []
    while not (batch := source.poll(0.1)).gained:
        obstacles.append(batch.connection_problem)
    assert obstacles
    assert all(obstacles)
    assert batch.connection_problem == ""


def test_an_output_that_is_too_large_is_named(line: KafkaLine, stack: ExitStack) -> None:
    small = replace(line, settings=replace(line.settings, max_record_bytes=1000))
    worker = work(small, stack)
    batch = poll_for(worker.source, "gained")
    with pytest.raises(LogError, match=r"1001 bytes .* max_record_bytes = 1000"):
        worker.sink.commit([line.verdict(b"x" * 1001)], {}, batch.epoch)


def test_records_up_to_the_limit_pass(line: KafkaLine, stack: ExitStack) -> None:
    line.publish([bytes(line.settings.max_record_bytes)] * 3)
    _, records = poll_until(work(line, stack).source, 3)
    assert [len(record.value) for record in records] == [line.settings.max_record_bytes] * 3


def test_missing_topics_are_named_with_the_cure(bootstrap: str) -> None:
    missing = KafkaLine.named(bootstrap, "missing")
    with pytest.raises(TopicsError, match=rf"{missing.topics.of('frames')}.* missing.*inspector topics create"):
        missing.log().source()
