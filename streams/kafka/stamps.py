"""Turns the times of records into times that the log has set: a producer's time moves no clock. Knows no payload."""

import logging
from dataclasses import replace

from streams.records import Record, TopicPartition

log = logging.getLogger("inspector.streams.kafka")

_CURE = "pieces are timed by the log's clock; 'inspector topics create' sets the topic right again"


class Stamps:
    """The newest time of the log per partition; it serves where a record has none. What is wrong is said."""

    def __init__(self) -> None:
        self._newest_ns: dict[TopicPartition, int] = {}
        self._said: set[tuple[str, str]] = set()

    def timed(self, record: Record) -> Record:
        """The record, with the newest time of its partition (0 where nothing has one) if its own is not the log's."""
        at = TopicPartition(record.topic, record.partition)
        if record.unreadable:
            self._say(record, "cannot be read", record.unreadable)
        elif not record.is_stamped_by_log:
            self._say(record, "is stamped by its producer, not by the log", _CURE)
        if record.is_stamped_by_log:
            self._newest_ns[at] = record.append_ns
            return record
        return replace(record, append_ns=self._newest_ns.get(at, 0))

    def _say(self, record: Record, what: str, why: str) -> None:
        """In the log, once for each topic."""
        if (record.topic, what) not in self._said:
            self._said.add((record.topic, what))
            log.error(
                "%s/%d: the record at offset %d %s: %s. Each such record becomes a dead letter (logged once per topic)",
                record.topic,
                record.partition,
                record.offset,
                what,
                why,
            )
