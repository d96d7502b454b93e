"""Turns a broker's answer for one partition into messages, and into `UnreadableMessage` where it cannot be decoded.

kafka-python ends an answer at the first record that it cannot decode, and never gives what lies behind it.
"""

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from kafka import TopicPartition as KafkaPartition
from kafka.consumer.fetcher import ConsumerRecord, Fetcher
from kafka.protocol.consumer import IsolationLevel
from kafka.record import MemoryRecords
from kafka.record.default_records import DefaultRecord, DefaultRecordBatch
from kafka.record.legacy_records import LegacyRecordBatch

from streams.kafka.batches import DAMAGE, Unreadable, damaged, following, records_of, refused

LOG_APPEND_TIME = 1
"""Type of a timestamp that the broker has set."""
_NO_STAMP = (-1, 0)
_OLD_FORMAT = "it is of a format of Kafka before 0.11, which has no headers: write with a newer client"


class UnreadableMessage(NamedTuple):
    """What `poll` gives in place of a record that cannot be decoded."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    """In milliseconds, as its batch says."""
    timestamp_type: int
    detail: str
    raw: bytes


Message: TypeAlias = ConsumerRecord | UnreadableMessage


class Answer(Fetcher.PartitionRecords):  # type: ignore[misc]
    """The records of one partition out of one answer, decoded one by one as they are asked for."""

    next_fetch_offset: int
    topic_partition: KafkaPartition

    def __init__(
        self, fetch_offset: int, tp: KafkaPartition, records: MemoryRecords, *, max_batch_bytes: int, **options: object
    ) -> None:
        super().__init__(fetch_offset, tp, records, **options)
        self._max_batch_bytes = max_batch_bytes
        self._answer_bytes: int = records.size_in_bytes()
        self._batch_bytes = 0

    @property
    def num_bytes(self) -> int:
        """What it holds at most: the answer, and one batch of it once more, perhaps unpacked."""
        return self._answer_bytes + self._batch_bytes

    def _unpack_records(
        self, tp: KafkaPartition, records: MemoryRecords, key_deserializer: None, value_deserializer: None
    ) -> Iterator[Message]:
        try:
            for batch in records:
                for message in self._messages(batch, records):
                    if message.offset >= self.next_fetch_offset:  # else it lies before what was asked for
                        self.next_fetch_offset = message.offset + 1
                        yield message
        except DAMAGE as exc:  # of a header: where the next batch begins is not known, one offset further is tried
            detail = f"the bytes there are no batch of records ({exc!r}): look at the disks of the brokers"
            self.next_fetch_offset += 1
            yield self._unreadable(Unreadable(self.next_fetch_offset - 1, detail), _NO_STAMP)
        self.drain()

    def _messages(self, batch: DefaultRecordBatch | LegacyRecordBatch, records: MemoryRecords) -> Iterator[Message]:
        if isinstance(batch, LegacyRecordBatch):
            for each in refused(self.next_fetch_offset, batch.base_offset, _OLD_FORMAT):
                yield self._unreadable(each, _NO_STAMP)
            return
        self.leader_epoch = batch.leader_epoch
        self._batch_bytes = self._max_batch_bytes if batch.compression_type else batch.size_in_bytes
        if not batch.validate_crc():
            for each in damaged(self.next_fetch_offset, following(records)):
                yield self._unreadable(each, _NO_STAMP)
            return
        if not self._is_hidden(batch):
            stamp = batch.max_timestamp, batch.timestamp_type
            for record in records_of(batch, self._max_batch_bytes):
                is_damaged = isinstance(record, Unreadable)
                yield self._unreadable(record, stamp) if is_damaged else self._message(record)
        self.next_fetch_offset = max(self.next_fetch_offset, batch.next_offset)

    def _is_hidden(self, batch: DefaultRecordBatch) -> bool:
        """Whether it is a marker of a transaction, or part of one that was aborted."""
        if self.isolation_level == IsolationLevel.READ_COMMITTED and batch.has_producer_id():
            self._consume_aborted_transactions_up_to(batch.last_offset)
            if self._contains_abort_marker(batch):
                self.aborted_producer_ids.discard(batch.producer_id)
            elif self._is_batch_aborted(batch):
                return True
        return bool(batch.is_control_batch)

    def _contains_abort_marker(self, batch: DefaultRecordBatch) -> bool:
        """Whether it ends an aborted transaction; one that says nothing ends none."""
        try:
            return bool(super()._contains_abort_marker(batch))
        except (*DAMAGE, StopIteration):
            return False

    def _unreadable(self, record: Unreadable, stamp: tuple[int, int]) -> UnreadableMessage:
        topic, partition = self.topic_partition
        return UnreadableMessage(topic, partition, record.offset, *stamp, record.detail, record.raw)

    def _message(self, record: DefaultRecord) -> ConsumerRecord:
        self.records_read += 1
        self.bytes_read += record.size_in_bytes
        return ConsumerRecord(
            *self.topic_partition,
            self.leader_epoch,
            record.offset,
            record.timestamp,
            record.timestamp_type,
            record.key,
            record.value,
            record.headers,
            record.checksum,
            *(-1, -1, -1),  # sizes, which nobody asks for
        )
