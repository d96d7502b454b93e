"""Replaces times that producers set by times of the log: the join's clock follows the log alone."""

import logging
from dataclasses import replace

from streams.records import Record, TopicPartition

log = logging.getLogger("inspector.streams.kafka")

_REMEDY = "run 'inspector topics create', which sets the topic to the log's time"


class Stamps:
    """The newest time of the log per partition, for records without one. Logs such records."""

    def __init__(self) -> None:
        self._newest_ns: dict[TopicPartition, int] = {}
        self._logged: set[tuple[str, str]] = set()

    def timed(self, record: Record) -> Record:
        """The record; if its time is not the log's, with the newest time of its partition (0 without one)."""
        at = TopicPartition(record.topic, record.partition)
        if record.unreadable:
            self._report(record, "cannot be read", record.unreadable)
        elif not record.is_stamped_by_log:
            self._report(record, "is stamped by its producer, not by the log", _REMEDY)
        if record.is_stamped_by_log:
            self._newest_ns[at] = record.append_ns
            return record
        return replace(record, append_ns=self._newest_ns.get(at, 0))

    def _report(self, record: Record, problem: str, detail: str) -> None:
        """Logs a problem once per topic."""
        if (record.topic, problem) not in self._logged:
            self._logged.add((record.topic, problem))
            log.error(
                "%s/%d: the record at offset %d %s: %s. Such records become dead letters (logged once per topic).",
                record.topic,
                record.partition,
                record.offset,
                problem,
                detail,
            )
