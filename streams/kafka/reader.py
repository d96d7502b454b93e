"""Reads records of a cluster again by their offsets, without a consumer group.

Like the workers it reads committed records only, so that it finds exactly the records that they could read.
"""

from collections.abc import Iterable, Iterator, Sequence

from kafka import TopicPartition as KafkaPartition
from kafka import errors as kafka_errors

from streams.deadline import Deadline
from streams.kafka.client import FATAL_ERRORS, fatal_error, open_reader, record_of
from streams.kafka.settings import KafkaSettings
from streams.log import LogUnavailableError, ReadBack
from streams.records import Record, TopicPartition

_FETCH_BYTES = 2**20
"""Of one answer: most of it is dropped when the next offset lies elsewhere. A larger single record still comes."""
_FETCH_WAIT_MS = 2
"""The client asks ahead, and at the end of a partition the broker holds the connection this long: all records that are
read here exist."""
_READ_THROUGH = 64
"""Records in between that are read and dropped, rather than asking for the next offset."""
_POLL_MS = 100


class KafkaReader:
    """`streams.log.RecordReader` on Apache Kafka. Opening it waits for the cluster."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._limits: dict[KafkaPartition, tuple[int, int]] = {}
        """First offset and end of partitions, as they were once: an offset between them is there, or out of range."""
        self._partitions: list[KafkaPartition] = []
        self._consumer = open_reader(settings, max_partition_fetch_bytes=_FETCH_BYTES, fetch_max_wait_ms=_FETCH_WAIT_MS)

    def read(self, at: TopicPartition, offsets: Iterable[int], *, max_bytes: int, timeout_s: float) -> ReadBack:
        """Raises LogError."""
        deadline, ordered = Deadline.after(timeout_s), sorted(set(offsets))
        partition = KafkaPartition(*at)
        while True:
            try:
                return self._read(partition, ordered, max_bytes, deadline)
            except kafka_errors.OffsetOutOfRangeError:  # retention was faster, or the topic was created again
                self._limits.pop(partition, None)
                if deadline.is_over:
                    raise self._late(at, timeout_s) from None
            except FATAL_ERRORS as exc:
                raise fatal_error(self._settings, exc) from exc
            except (kafka_errors.KafkaError, TimeoutError) as exc:
                raise self._late(at, timeout_s, f" ({type(exc).__name__}: {exc})") from exc

    def _read(self, at: KafkaPartition, ordered: Sequence[int], max_bytes: int, deadline: Deadline) -> ReadBack:
        """Raises TimeoutError and errors of kafka-python."""
        kept = self._kept(at, ordered, deadline)
        records: dict[int, Record] = {}
        num_bytes, left = 0, set(kept)
        self._turn_to(at, kept)
        for offsets in _close_together(kept):
            for record in self._from(at, offsets, deadline):
                num_bytes += len(record.value)
                if num_bytes > max_bytes:
                    return ReadBack(records, set(ordered) - set(kept), left)
                records[record.offset] = record
                left.discard(record.offset)
            left -= set(offsets)
        return ReadBack(records, set(ordered) - records.keys())

    def _kept(self, at: KafkaPartition, offsets: Sequence[int], deadline: Deadline) -> list[int]:
        """The offsets between the partition's beginning and its end, as far as is known."""
        first, end = self._limits.get(at, (0, 0))
        if offsets and not first <= offsets[0] <= offsets[-1] < end:
            if at.partition not in (self._consumer.partitions_for_topic(at.topic) or ()):
                return []
            timeout_ms = max(1, round(deadline.remaining_s * 1000))
            first = self._consumer.beginning_offsets([at], timeout_ms=timeout_ms)[at]
            end = self._consumer.end_offsets([at], timeout_ms=timeout_ms)[at]
            self._limits[at] = first, end
        return [offset for offset in offsets if first <= offset < end]

    def _turn_to(self, at: KafkaPartition, offsets: Sequence[int]) -> None:
        """Reads this partition only. The others stay assigned and paused: kafka-python forgets where a topic is that is
        not assigned, and takes 100 ms to learn it again."""
        if offsets and at not in self._partitions:
            self._partitions.append(at)
            self._consumer.assign(self._partitions)
            self._consumer.seek(at, offsets[0])
        self._consumer.pause(*(other for other in self._partitions if other != at))
        if at in self._partitions:
            self._consumer.resume(at)

    def _from(self, at: KafkaPartition, offsets: Sequence[int], deadline: Deadline) -> Iterator[Record]:
        """The records at these offsets, as far as they exist."""
        expected = set(offsets)
        self._consumer.seek(at, offsets[0])
        while self._consumer.position(at) <= offsets[-1]:
            if deadline.is_over:
                raise TimeoutError(f"no records from offset {self._consumer.position(at)} on")
            for messages in self._consumer.poll(timeout_ms=_POLL_MS).values():
                for message in messages:
                    if message.offset in expected:
                        yield record_of(message)

    def _late(self, at: TopicPartition, timeout_s: float, cause: str = "") -> LogUnavailableError:
        return LogUnavailableError(
            f"Kafka did not return the records of {at.topic}/{at.partition} within {timeout_s:g} s{cause}: try again"
        )

    def close(self) -> None:
        self._consumer.close()


def _close_together(offsets: Sequence[int]) -> Iterator[list[int]]:
    """Groups of ascending offsets that are read in one go."""
    group: list[int] = []
    for offset in offsets:
        if group and offset - group[-1] > _READ_THROUGH:
            yield group
            group = []
        group.append(offset)
    if group:
        yield group
