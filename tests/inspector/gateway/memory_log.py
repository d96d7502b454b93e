"""Keeps verdict records in memory behind the seams of a log: a stand-in for tests, with retention and outages."""

import itertools
import threading
import time
from collections.abc import Mapping, Sequence

from streams import resume_token
from streams.log import Gap, LogError, LogFullError, RecordReader, Start, TokenExpiredError, TokenInvalidError
from streams.records import Output, Record, TopicPartition


class MemoryLog:
    """Several partitions of one verdict topic per line, as many of dead letters; other topics are kept in `others`."""

    def __init__(
        self, prefix: str = "t", lines: Sequence[str] = ("a",), num_partitions: int = 2, kind: str = "verdicts"
    ) -> None:
        self.letters = MemoryLog(prefix, lines, num_partitions, "dead-letters") if kind == "verdicts" else self
        self.partitions = [
            TopicPartition(f"{prefix}.{line}.{kind}", number) for line in lines for number in range(num_partitions)
        ]
        self.records: dict[TopicPartition, list[Record]] = {source: [] for source in self.partitions}
        self.removed: dict[TopicPartition, int] = dict.fromkeys(self.partitions, 0)
        self.others: list[Output] = []
        self.changed = threading.Condition()
        self.outage = False
        self.full = False
        self.open_tails = 0
        self.num_refused = 0
        """Tails requested in an outage."""

    def append(
        self, source: TopicPartition, value: bytes, append_ns: int | None = None, kind: str = "inspection.v1.Verdict"
    ) -> Record:
        with self.changed:
            offset = self.removed[source] + len(self.records[source])
            stamp = time.time_ns() if append_ns is None else append_ns
            record = Record(*source, offset, b"s", value, kind, stamp)
            self.records[source].append(record)
            self.changed.notify_all()
            return record

    def remove_first(self, source: TopicPartition, count: int) -> None:
        """Retention."""
        with self.changed:
            del self.records[source][:count]
            self.removed[source] += count

    def replace(self) -> None:
        """Another log, without records, stands in its place."""
        with self.changed:
            self.records = {source: [] for source in self.partitions}
            self.removed = dict.fromkeys(self.partitions, 0)

    def publisher(self) -> "MemoryPublisher":
        return MemoryPublisher(self)

    def tail(self, start: Start) -> "MemoryTail":
        with self.changed:
            if self.outage:
                self.num_refused += 1
                raise LogError("the log is away")
            tail = MemoryTail(self, self._positions(start))
            self.open_tails += 1
            return tail

    def dead_letters(self, start: Start) -> "MemoryTail":
        return self.letters.tail(start)

    def shadow(self, start: Start) -> "MemoryTail":
        raise NotImplementedError("a gateway does not follow shadows")

    def feedback(self, start: Start) -> "MemoryTail":
        raise NotImplementedError("a gateway does not follow feedback")

    def control(self, start: Start) -> "MemoryTail":
        raise NotImplementedError("a gateway does not follow control topics")

    def reader(self) -> RecordReader:
        raise NotImplementedError("a gateway reads no input")

    def close(self) -> None:
        assert self.open_tails == self.letters.open_tails == 0

    def _positions(self, start: Start) -> dict[TopicPartition, int]:
        if start.token is not None:
            return self._checked(resume_token.decode(start.token))
        if start.time_ns is not None:
            return {source: self._offset_at(source, start.time_ns) for source in self.partitions}
        if start.earliest:
            return dict(self.removed)
        return {source: self.end(source) for source in self.partitions}

    def _checked(self, offsets: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        for source, offset in offsets.items():
            if source not in self.records or offset > self.end(source):
                raise TokenInvalidError(f"{source} {offset} is not of this log")
            if offset < self.removed[source]:
                oldest = min(records[0].append_ns for records in self.records.values() if records)
                raise TokenExpiredError(f"offset {offset} is gone", oldest)
        return {source: offsets.get(source, 0) for source in self.partitions}

    def _offset_at(self, source: TopicPartition, time_ns: int) -> int:
        older = itertools.takewhile(lambda record: record.append_ns < time_ns, self.records[source])
        return self.removed[source] + sum(1 for _ in older)

    def end(self, source: TopicPartition) -> int:
        return self.removed[source] + len(self.records[source])


class MemoryTail:
    is_away = False

    def __init__(self, owner: MemoryLog, positions: dict[TopicPartition, int]) -> None:
        self._owner, self._positions = owner, positions

    def poll(self, timeout_s: float) -> Sequence[Record]:
        with self._owner.changed:
            if not self._unread():
                self._owner.changed.wait(timeout_s)
            if self._owner.outage:
                raise LogError("the log is away")
            records = self._unread()[:100]
            for record in records:
                self._positions[TopicPartition(record.topic, record.partition)] = record.offset + 1
            return records

    def position(self) -> dict[TopicPartition, int]:
        return dict(self._positions)

    def identities(self) -> Mapping[str, str]:
        return {}

    @property
    def gaps(self) -> Sequence[Gap]:
        return ()

    def close(self) -> None:
        with self._owner.changed:
            self._owner.open_tails -= 1

    def _unread(self) -> list[Record]:
        unread: list[Record] = []
        for source, offset in self._positions.items():
            removed = self._owner.removed[source]
            if offset < removed:
                raise TokenExpiredError("fell behind retention", self._owner.records[source][0].append_ns)
            unread += self._owner.records[source][offset - removed : offset - removed + 50]
        return unread


class MemoryPublisher:
    def __init__(self, owner: MemoryLog) -> None:
        self._owner, self._pending = owner, list[Output]()

    def publish(self, outputs: Sequence[Output]) -> None:
        if self._owner.full:
            raise LogFullError("the log is full")
        self._pending += outputs

    def flush(self) -> None:
        self._owner.others += self._pending
        self._pending = []

    def close(self) -> None:
        assert not self._pending
