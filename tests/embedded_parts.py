"""Records and helpers for the tests of the embedded log."""

from collections.abc import Sequence
from contextlib import closing

from streams.embedded import EmbeddedSettings
from streams.log import (
    Batch,
    Log,
    Source,
    Start,
)
from streams.records import Output, Record, Shard, TopicPartition, Topics

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


def verdict_values(log: Log) -> list[bytes]:
    seen: list[bytes] = []
    with closing(log.tail(Start(earliest=True))) as tail:
        while records := tail.poll(0):
            seen += values(records)
    return seen
