"""Turns the times of records into times that the log has set: a producer's time moves no clock. Knows no payload."""

import logging
from dataclasses import replace

from streams.records import Record, TopicPartition

log = logging.getLogger("inspector.streams.kafka")


class Stamps:
    """The newest time of the log per partition; it serves where a record has none."""

    def __init__(self) -> None:
        self._newest_ns: dict[TopicPartition, int] = {}
        self._reported: set[str] = set()

    def timed(self, record: Record) -> Record:
        """The record, with the newest time of its partition (0 where nothing has one) if its own is not the log's."""
        at = TopicPartition(record.topic, record.partition)
        if record.is_stamped_by_log:
            self._newest_ns[at] = record.append_ns
            return record
        if not record.unreadable:
            self._report(record)
        return replace(record, append_ns=self._newest_ns.get(at, 0))

    def _report(self, record: Record) -> None:
        if record.topic in self._reported:
            return
        self._reported.add(record.topic)
        log.error(
            "%s/%d: the record at offset %d is stamped by its producer, not by the log: such records become dead "
            "letters, for pieces are timed by the log's clock. 'inspector topics create' sets the topic right again",
            record.topic,
            record.partition,
            record.offset,
        )
