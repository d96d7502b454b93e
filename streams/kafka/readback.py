"""Reads what a shard's predecessors have committed to verdicts and dead letters. Knows no payload and no group."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kafka import KafkaConsumer
from kafka import TopicPartition as KafkaPartition

from streams.kafka.client import open_reader, record_of
from streams.kafka.settings import KafkaSettings
from streams.records import Record, TopicPartition


def append_time(record: Record) -> int | None:
    """The time at which the log took the output, for want of a better one."""
    return record.append_ns


def whole(record: Record) -> Record | None:
    """All of a record, where nobody says what matters in it."""
    return record


@dataclass(frozen=True, slots=True)
class OutputRules:
    """What those who know the payload say about a record on an output topic."""

    settled_ns: Callable[[Record], int | None] = append_time
    """The time of the input that it is about, in nanoseconds; None for a record of somebody else."""
    essence: Callable[[Record], Record | None] = whole
    """The record without what no owner needs, so that any number of them fits; None for one of somebody else."""


NO_RULES = OutputRules()


class OutputReplay:
    """Reads partitions from given offsets (None: nothing of it) to the end that they have when it begins.

    The end is the high watermark: a predecessor's transaction that is not over yet lies before it and holds
    read-committed readers back, so reaching it means that every earlier transaction has been decided. It must begin
    after the committed offsets were read. Only a fresh consumer is sure to be told the watermark anew.

    Beside one poll's records it holds what `essence` leaves of them, and of somebody else's only the first: whoever may
    write to the topic could fill the memory of every owner with them.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        starts: Mapping[TopicPartition, int | None],
        essence: Callable[[Record], Record | None] = whole,
    ) -> None:
        self._consumer: KafkaConsumer = open_reader(settings)
        self._settings = settings
        self._starts = {KafkaPartition(*at): offset for at, offset in starts.items()}
        self._records: defaultdict[TopicPartition, list[Record]] = defaultdict(list)
        self._essence = essence
        self._foreign: dict[TopicPartition, Record] = {}
        self._begun = False

    def step(self, timeout_s: float) -> bool:
        """Reads on; True when all is read. Retriable errors of the cluster pass through."""
        if not self._begun:
            self._begin()
        for messages in self._consumer.poll(timeout_ms=int(timeout_s * 1000)).values():
            for message in messages:
                self._keep(record_of(message))
        return all(self._at_end(at) for at in self._starts)

    def _keep(self, record: Record) -> None:
        at = TopicPartition(record.topic, record.partition)
        kept = self._essence(record)
        if kept is None:
            nothing = Record(record.topic, record.partition, record.offset, b"", b"", "", record.append_ns)
            kept = self._foreign.setdefault(at, nothing)
        self._records[at].append(kept)

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
        """What is left of each record; in place of somebody else's the first of them, without its bytes."""
        return self._records[at]

    def end(self, at: TopicPartition) -> int:
        """Offset behind the last record of a partition."""
        return int(self._consumer.position(KafkaPartition(*at)))

    def close(self) -> None:
        self._consumer.close()
