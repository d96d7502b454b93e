"""Turns a broker's answer for one partition into messages; damaged records become `UnreadableMessage`.

kafka-python stops at the first record that it cannot decode and never returns the records after it.
"""

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from kafka import TopicPartition as KafkaPartition
from kafka.consumer.fetcher import ConsumerRecord, Fetcher
from kafka.protocol.consumer import IsolationLevel
from kafka.record import MemoryRecords
from kafka.record.default_records import DefaultRecord, DefaultRecordBatch
from kafka.record.legacy_records import LegacyRecordBatch

from streams.kafka.batches import DAMAGE, Unreadable, damaged, next_offset, records_of, refused

LOG_APPEND_TIME = 1
"""Timestamp type of records that the broker stamps."""
_NO_STAMP = (-1, 0)
_OLD_FORMAT = "its format is older than Kafka 0.11 and has no headers: write it with a newer client"


class UnreadableMessage(NamedTuple):
    """Stands for a record that cannot be decoded, in the results of `poll`."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    """In milliseconds, from its batch."""
    timestamp_type: int
    detail: str
    raw: bytes


Message: TypeAlias = ConsumerRecord | UnreadableMessage


class Answer(Fetcher.PartitionRecords):  # type: ignore[misc]
    """The records of one partition in one answer, decoded one by one on demand."""

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
        """Upper bound of its memory: the answer, and one of its batches again, unpacked."""
        return self._answer_bytes + self._batch_bytes

    def _unpack_records(
        self, tp: KafkaPartition, records: MemoryRecords, key_deserializer: None, value_deserializer: None
    ) -> Iterator[Message]:
        try:
            for batch in records:
                for message in self._messages(batch, records):
                    if message.offset >= self.next_fetch_offset:  # else it lies before the requested offset
                        self.next_fetch_offset = message.offset + 1
                        yield message
        except DAMAGE as exc:  # in a header: the next batch cannot be located, so try one offset further
            detail = f"the bytes there are not a batch of records ({exc!r}): check the disks of the brokers"
            self.next_fetch_offset += 1
            yield self._unreadable(Unreadable(self.next_fetch_offset - 1, detail), _NO_STAMP)
        self.drain()

    def _messages(self, batch: DefaultRecordBatch | LegacyRecordBatch, records: MemoryRecords) -> Iterator[Message]:
        if isinstance(batch, LegacyRecordBatch):
            for record in refused(self.next_fetch_offset, batch.base_offset, _OLD_FORMAT):
                yield self._unreadable(record, _NO_STAMP)
            return
        self.leader_epoch = batch.leader_epoch
        self._batch_bytes = self._max_batch_bytes if batch.compression_type else batch.size_in_bytes
        if not batch.validate_crc():
            for unreadable in damaged(self.next_fetch_offset, next_offset(records)):
                yield self._unreadable(unreadable, _NO_STAMP)
            return
        if not self._is_hidden(batch):
            stamp = batch.max_timestamp, batch.timestamp_type
            for record in records_of(batch, self._max_batch_bytes):
                is_damaged = isinstance(record, Unreadable)
                yield self._unreadable(record, stamp) if is_damaged else self._message(record)
        self.next_fetch_offset = max(self.next_fetch_offset, batch.next_offset)

    def _is_hidden(self, batch: DefaultRecordBatch) -> bool:
        """Whether it is a transaction marker or belongs to an aborted transaction."""
        if self.isolation_level == IsolationLevel.READ_COMMITTED and batch.has_producer_id():
            self._consume_aborted_transactions_up_to(batch.last_offset)
            if self._contains_abort_marker(batch):
                self.aborted_producer_ids.discard(batch.producer_id)
            elif self._is_batch_aborted(batch):
                return True
        return bool(batch.is_control_batch)

    def _contains_abort_marker(self, batch: DefaultRecordBatch) -> bool:
        """Whether it ends an aborted transaction; an unreadable marker does not."""
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
            *(-1, -1, -1),  # sizes, which are not used
        )
