"""Topics that go, come back or grow under a running worker: it waits, logs it, and continues. On a real broker."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from kafka import TopicPartition as KafkaPartition

from streams.join.offset_metadata import OffsetMetadata
from streams.kafka import watch
from streams.kafka.client import open_admin
from streams.kafka.source import KafkaSource
from streams.kafka.topics import TopicPlan, create_topics
from streams.log import Position
from streams.records import Record, Shard, TopicPartition
from tests.integration.kafka_line import PREFIX, KafkaLine, poll_for, poll_until

pytestmark = pytest.mark.broker


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "CHECK_INTERVAL_S", 0.2)


@pytest.fixture
def source(line: KafkaLine) -> Iterator[KafkaSource]:
    with closing(line.log().source()) as source:
        poll_for(source, "at_end")
        yield source


def delete(line: KafkaLine, *kinds: str) -> None:
    with closing(open_admin(line.settings)) as admin:
        admin.delete_topics([line.topics.of(kind) for kind in kinds])


def create(line: KafkaLine, partitions: int = 2) -> None:
    create_topics(line.settings, PREFIX, [line.name], TopicPlan(partitions=partitions))


def poll_until_said(source: KafkaSource, log: pytest.LogCaptureFixture, text: str) -> None:
    deadline = time.monotonic() + 60
    while text not in log.text and time.monotonic() < deadline:
        assert not source.poll(0.1).records
    assert text in log.text


def test_recreated_inputs_are_read_from_their_beginning(
    line: KafkaLine, source: KafkaSource, caplog: pytest.LogCaptureFixture
) -> None:
    line.publish([b"old"] * 3)
    poll_until(source, 3)
    frames = TopicPartition(line.topics.of("frames"), 0)
    with closing(line.log().sink()) as sink:
        sink.commit([], {frames: Position(2, OffsetMetadata(3, 0, 0).encode())}, source.poll(0).epoch)
    delete(line, "frames", "signals", "pieces")
    poll_until_said(source, caplog, "frames, ")
    assert "missing: create them with 'inspector topics create'" in caplog.text
    create(line)
    line.publish([b"%d" % number for number in range(4)])  # more than the offset that was committed before
    _, records = poll_until(source, 4)
    assert [record.value for record in records] == [b"0", b"1", b"2", b"3"]


def test_nothing_is_read_while_there_is_nowhere_to_write_to(
    line: KafkaLine, source: KafkaSource, caplog: pytest.LogCaptureFixture
) -> None:
    delete(line, "verdicts")
    poll_until_said(source, caplog, "verdicts missing")
    line.publish([b"a"])
    until = time.monotonic() + 0.6
    while time.monotonic() < until:
        assert not source.poll(0.1).records
    create(line)
    assert [record.value for record in poll_until(source, 1)[1]] == [b"a"]


def test_added_partitions_are_taken_over(line: KafkaLine, source: KafkaSource) -> None:
    create(line, partitions=3)
    line.publish([b"new"], partition=2)
    records: list[Record] = []
    gained: set[Shard] = set()
    deadline = time.monotonic() + 60
    while not records and time.monotonic() < deadline:
        batch = source.poll(0.1)
        gained |= {gain.shard for gain in batch.gained}
        records += batch.records
    assert [record.value for record in records] == [b"new"]
    assert gained == {Shard(line.name, number) for number in range(3)}


def test_a_commit_waits_for_the_topic_that_it_writes_to_and_names_it(
    line: KafkaLine, source: KafkaSource, caplog: pytest.LogCaptureFixture
) -> None:
    epoch = source.poll(0).epoch
    with closing(line.log().sink()) as sink, ThreadPoolExecutor(1) as pool:
        delete(line, "verdicts")
        commit = pool.submit(sink.commit, [line.verdict(b"A")], {}, epoch)
        deadline = time.monotonic() + 60
        while "verdicts missing" not in caplog.text and time.monotonic() < deadline:
            time.sleep(0.1)
        create(line)
        commit.result(20)
    assert [record.value for record in line.verdicts(1)] == [b"A"]
    assert "does not answer" not in caplog.text


def test_a_worker_that_got_part_of_a_shard_says_so_and_has_the_group_share_out_again(
    line: KafkaLine, source: KafkaSource, caplog: pytest.LogCaptureFixture
) -> None:
    source._events.put(frozenset({KafkaPartition(line.topics.of("frames"), 0)}))
    assert source.poll(0.1).lost
    connection_problem = source.poll(0.1).connection_problem
    assert f"{line.topics.of('signals')}/0" in connection_problem
    assert connection_problem in caplog.text
    line.publish([b"a"])
    assert [record.value for record in poll_until(source, 1)[1]] == [b"a"]
