"""Reads the verdicts and dead letters that predecessors have committed for a shard."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kafka import KafkaConsumer
from kafka import TopicPartition as KafkaPartition

from streams.kafka.client import open_reader, record_of
from streams.kafka.settings import KafkaSettings
from streams.records import Record, TopicPartition


def append_time(record: Record) -> int | None:
    """The append time of the output: the default without knowledge of the payload."""
    return record.append_ns


def whole(record: Record) -> Record | None:
    """The complete record: the default without knowledge of the payload."""
    return record


@dataclass(frozen=True, slots=True)
class OutputRules:
    """Interprets records of the output topics, for callers that understand the payload."""

    settled_ns: Callable[[Record], int | None] = append_time
    """The time of its input, in nanoseconds; None for a record of another program."""
    essence: Callable[[Record], Record | None] = whole
    """The parts of a record that a new owner needs, so that any number of them fits; None for one of another
    program."""


NO_RULES = OutputRules()


class OutputReplay:
    """Reads partitions from given offsets (None: not at all) to the end that they have at the start of the replay.

    The end is the high watermark: an open transaction of a predecessor lies before it and holds read-committed readers
    back, so reaching it proves that every earlier transaction is decided. Start it after the committed offsets were
    read, with a new consumer: only that one is certain to receive the current watermark.

    Besides the records of one poll it holds their `essence`, and only the first record of other programs: otherwise
    any program with write access could fill the memory of every owner.
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
        """Reads the next records; True at the end. Retriable errors of the cluster pass through."""
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
            empty = Record(record.topic, record.partition, record.offset, b"", b"", "", record.append_ns)
            kept = self._foreign.setdefault(at, empty)
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
        """The essence of each record; records of other programs are represented by the first of them, without its
        bytes."""
        return self._records[at]

    def end(self, at: TopicPartition) -> int:
        """Offset after the last record of a partition."""
        return int(self._consumer.position(KafkaPartition(*at)))

    def close(self) -> None:
        self._consumer.close()
