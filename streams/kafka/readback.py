"""Reads what a shard's predecessors have committed to verdicts and dead letters. Knows no payload and no group."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from kafka import KafkaConsumer
from kafka import TopicPartition as KafkaPartition

from streams.kafka.client import open_reader, record_of
from streams.kafka.settings import KafkaSettings
from streams.records import Record, TopicPartition


class ReadBack:
    """Reads partitions from given offsets (None: nothing of it) to the end that they have when it begins.

    The end is the high watermark: a predecessor's transaction that is not over yet lies before it and holds
    read-committed readers back, so reaching it means that every earlier transaction has been decided. It must begin
    after the committed offsets were read. Only a fresh consumer is sure to be told the watermark anew.
    """

    def __init__(self, settings: KafkaSettings, starts: Mapping[TopicPartition, int | None]) -> None:
        self._consumer: KafkaConsumer = open_reader(settings)
        self._settings = settings
        self._starts = {KafkaPartition(*at): offset for at, offset in starts.items()}
        self._records: defaultdict[TopicPartition, list[Record]] = defaultdict(list)
        self._begun = False

    def step(self, timeout_s: float) -> bool:
        """Reads on; True when all is read. Retriable errors of the cluster pass through."""
        if not self._begun:
            self._begin()
        for at, messages in self._consumer.poll(timeout_ms=int(timeout_s * 1000)).items():
            self._records[TopicPartition(*at)].extend(record_of(message) for message in messages)
        return all(self._at_end(at) for at in self._starts)

    def _begin(self) -> None:
        self._consumer.assign(list(self._starts))
        firsts = self._consumer.beginning_offsets(list(self._starts))
        ends = self._consumer.end_offsets(list(self._starts))
        for at, offset in self._starts.items():
            self._consumer.seek(at, ends[at] if offset is None else min(max(offset, firsts[at]), ends[at]))
        self._begun = True

    def _at_end(self, at: KafkaPartition) -> bool:
        watermark = self._consumer.highwater(at)
        return watermark is not None and self._consumer.position(at) >= watermark

    def records(self, at: TopicPartition) -> Sequence[Record]:
        return self._records[at]

    def end(self, at: TopicPartition) -> int:
        """Offset behind the last record of a partition."""
        return int(self._consumer.position(KafkaPartition(*at)))

    def close(self) -> None:
        self._consumer.close()
