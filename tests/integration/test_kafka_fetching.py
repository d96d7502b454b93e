"""Reading continues after a pause with all records that the client held at its start. Against a real broker."""

import math
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace

import pytest
from kafka import TopicPartition
from kafka.errors import NoOffsetForPartitionError

from streams.kafka import fetching
from streams.kafka.client import open_group_consumer, open_reader
from streams.kafka.fetching import Gathering, ResilientConsumer
from streams.kafka.settings import reader_options
from tests.integration.kafka_line import KafkaLine

pytestmark = pytest.mark.broker
NUM_RECORDS = 150
"""More than one poll gives, so that a pause finds half-read answers in the client."""


class Reader:
    """A consumer of two partitions A and B that holds an answer of A in part."""

    def __init__(self, consumer: ResilientConsumer, line: KafkaLine) -> None:
        self.consumer = consumer
        self.a, self.b = (TopicPartition(line.topics.of("frames"), number) for number in (0, 1))
        self.offsets: dict[TopicPartition, list[int]] = {self.a: [], self.b: []}
        consumer.assign([self.a, self.b])
        consumer.seek_to_beginning()

    def poll_until(self, at: TopicPartition, count: int, timeout_s: float = 60.0) -> None:
        deadline = time.monotonic() + timeout_s
        while len(self.offsets[at]) < count and time.monotonic() < deadline:
            for partition, messages in self.consumer.poll(timeout_ms=100).items():
                self.offsets[partition] += [message.offset for message in messages]


@pytest.fixture
def reader(line: KafkaLine) -> Iterator[Reader]:
    """Both partitions are full; A has been polled once."""
    for partition in (0, 1):
        line.publish([b"x" * 1000] * NUM_RECORDS, partition=partition)
    settings = replace(line.settings, max_poll_records=40)
    with closing(open_reader(settings)) as consumer:
        reader = Reader(consumer, line)
        consumer.pause(reader.b)
        reader.poll_until(reader.a, 1)
        consumer.pause(reader.a)
        consumer.resume(reader.b)
        yield reader


def test_what_was_parked_comes_when_the_partition_is_resumed(reader: Reader) -> None:
    reader.poll_until(reader.b, NUM_RECORDS)
    reader.consumer.resume(reader.a)
    reader.poll_until(reader.a, NUM_RECORDS)
    assert reader.offsets == {at: list(range(NUM_RECORDS)) for at in (reader.a, reader.b)}


def test_what_was_parked_comes_in_turn_while_another_partition_still_has_records(reader: Reader) -> None:
    reader.poll_until(reader.b, 1)
    reader.consumer.resume(reader.a)
    reader.poll_until(reader.a, NUM_RECORDS)
    assert len(reader.offsets[reader.b]) < NUM_RECORDS
    reader.poll_until(reader.b, NUM_RECORDS)
    assert reader.offsets == {at: list(range(NUM_RECORDS)) for at in (reader.a, reader.b)}


def test_what_was_parked_before_a_seek_is_not_given(reader: Reader) -> None:
    """A rebalance seeks: records that the client held before it are dropped."""
    reader.poll_until(reader.b, NUM_RECORDS)
    num_before = len(reader.offsets[reader.a])
    reader.consumer.seek(reader.a, 5)
    reader.consumer.resume(reader.a)
    reader.poll_until(reader.a, num_before + NUM_RECORDS - 5)
    assert reader.offsets[reader.a][num_before:] == list(range(5, NUM_RECORDS))


def test_parked_bytes_are_bounded_and_what_is_dropped_is_fetched_again(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "MAX_PARKED_BYTES", 1000)
    reader.poll_until(reader.b, NUM_RECORDS)
    fetcher = reader.consumer._fetcher
    assert not fetcher._paused_partition_records
    reader.consumer.resume(reader.a)
    reader.poll_until(reader.a, NUM_RECORDS)
    assert reader.offsets[reader.a] == list(range(NUM_RECORDS))


def test_offsets_of_a_topic_that_is_not_known_yet_are_waited_for(line: KafkaLine) -> None:
    with closing(open_reader(line.settings)) as consumer:
        known, unknown = (TopicPartition(line.topics.of(kind), 0) for kind in ("frames", "verdicts"))
        consumer.assign([known])
        assert consumer.end_offsets([known]) == {known: 0}
        assert consumer.end_offsets([known, unknown]) == {known: 0, unknown: 0}


def test_records_of_a_stream_come_in_one_answer(line: KafkaLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker answers when it has `min_bytes`, long before `wait_ms`."""
    monkeypatch.setattr(fetching, "FLOWING_S", math.inf)
    with closing(ResilientConsumer(Gathering(60_000, min_bytes=1500), **reader_options(line.settings))) as consumer:
        at = TopicPartition(line.topics.of("frames"), 0)
        consumer.assign([at])
        consumer.seek_to_beginning()
        line.publish([b"first" * 200])
        assert polled(consumer) == [b"first" * 200]
        line.publish([b"second" * 200])
        assert not consumer.poll(timeout_ms=300)
        line.publish([b"third" * 200])
        assert polled(consumer) == [b"second" * 200, b"third" * 200]


def test_the_first_record_after_a_pause_comes_at_once(line: KafkaLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "FLOWING_S", 0.0)
    with closing(ResilientConsumer(Gathering(60_000), **reader_options(line.settings))) as consumer:
        consumer.assign([TopicPartition(line.topics.of("frames"), 0)])
        consumer.seek_to_beginning()
        for value in (b"first", b"second"):
            line.publish([value])
            assert polled(consumer) == [value]


def polled(consumer: ResilientConsumer, timeout_s: float = 30.0) -> list[bytes]:
    """The values of the next poll that returns some."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if by_partition := consumer.poll(timeout_ms=100):
            return [message.value for messages in by_partition.values() for message in messages]
    raise AssertionError(f"no record within {timeout_s} s")


def test_a_poll_without_records_leaves_the_thread_of_the_connections_alone(
    line: KafkaLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each way to that thread and back costs both threads as much as several records."""
    line.publish([b"x"])
    at = TopicPartition(line.topics.of("frames"), 0)
    deadline = time.monotonic() + 60.0
    with closing(open_group_consumer(replace(line.settings, gather_s=0.0))) as consumer:
        consumer._fetcher._at_once = Gathering(wait_ms=20_000, min_bytes=1)
        consumer.subscribe([at.topic])
        while at not in consumer.assignment() and time.monotonic() < deadline:
            with suppress(NoOffsetForPartitionError):  # the group has committed none yet
                consumer.poll(timeout_ms=50)
        consumer.seek_to_beginning(*consumer.assignment())
        while not consumer.poll(timeout_ms=50) and time.monotonic() < deadline:
            pass
        consumer.poll(timeout_ms=50)  # asks for the next records, which the broker waits for
        ways: list[object] = []
        run = consumer._net.run

        def counted(*what: object) -> object:
            ways.append(what)
            return run(*what)

        monkeypatch.setattr(consumer._net, "run", counted)
        for _ in range(3):
            assert not consumer.poll(timeout_ms=5)
        assert ways == []
        line.publish([b"y"])
        while not (received := consumer.poll(timeout_ms=100)) and time.monotonic() < deadline:
            pass
        assert [message.value for message in received[at]] == [b"y"]


def test_a_thread_of_the_connections_that_has_ended_is_noticed(line: KafkaLine) -> None:
    with closing(open_reader(line.settings)) as consumer:
        at = TopicPartition(line.topics.of("frames"), 0)
        consumer.assign([at])
        consumer.seek(at, 0)
        consumer.poll(timeout_ms=50)
        consumer._net._exception = RuntimeError("the loop has crashed")
        with pytest.raises(RuntimeError, match="crashed"):
            consumer.poll(timeout_ms=5)
        consumer._net._exception = None
