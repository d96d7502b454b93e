"""Gives a worker its input from the file, for as long as it holds the lease of its lines. Knows no payload.

A lease is a row per line with owner, epoch and expiry. Whoever takes it raises the epoch, and a commit under an older
epoch is refused: a stopped owner that wakes can write nothing.
"""

import heapq
import logging
import time
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal

from streams.embedded.store import EmbeddedSettings, Store, Topic
from streams.log import Assignment, Batch, LogError, Position
from streams.records import Record, Shard, TopicPartition, Topics
from streams.resume import Memo

log = logging.getLogger("inspector.streams.embedded")

StartAt = Literal["earliest", "live"]


@dataclass(frozen=True, slots=True)
class Epoch:
    """One turn of one owner over its lines."""

    lines: tuple[str, ...]
    number: int


@dataclass(frozen=True, slots=True)
class Group:
    """Who reads which lines, and where it begins without a commit."""

    lines: tuple[str, ...]
    prefix: str
    owner: str
    start_at: StartAt = "earliest"


def holds(store: Store, epoch: Epoch) -> bool:
    """Whether this turn is not over yet (within `Store.write` or `Store.read`)."""
    rows = store.execute("SELECT line FROM leases WHERE epoch = ?", epoch.number)
    return {row[0] for row in rows} == set(epoch.lines)


class EmbeddedSource:
    """Input of one worker; waits its turn while another owner holds the lease."""

    def __init__(self, store: Store, settings: EmbeddedSettings, group: Group) -> None:
        self._store = store
        self._settings = settings
        self._group = group
        self._epoch: Epoch | None = None
        self._renew_s = 0.0
        self._next: dict[TopicPartition, int] = {}
        self._paused: AbstractSet[TopicPartition] = frozenset()
        self._first = True
        self._waiting = False

    def poll(self, timeout_s: float) -> Batch:
        """Gives records as soon as there are some; a file that cannot be read now is tried again."""
        deadline_s = time.monotonic() + timeout_s
        try:
            if self._epoch is None:
                return self._gain(deadline_s)
            return self._read(self._epoch, deadline_s)
        except LogError as exc:
            log.warning("reading is put off: %s", exc)
            time.sleep(max(0.0, deadline_s - time.monotonic()))
            return Batch(epoch=self._epoch, obstacle=str(exc))

    def pause(self, partitions: AbstractSet[TopicPartition]) -> None:
        """These partitions give no records until the next call."""
        self._paused = frozenset(partitions)

    def close(self) -> None:
        """Gives the lease back, so that a successor need not wait."""
        try:
            if self._epoch is not None:
                with self._store.write(durable=False):
                    self._store.execute("UPDATE leases SET expires_ns = 0 WHERE epoch = ?", self._epoch.number)
        finally:
            self._store.close()

    # The lease

    def _gain(self, deadline_s: float) -> Batch:
        with self._store.write(durable=True):
            blocker = self._blocker()
            if blocker is None:
                epoch = self._take()
                gained = [self._assignment(line) for line in self._group.lines]
        if blocker is not None:
            if not self._waiting:
                log.warning(
                    "%s waits: %s holds the lease until it is silent for its lease time", self._group.owner, blocker
                )
            self._waiting = True
            time.sleep(min(0.1, max(0.0, deadline_s - time.monotonic())))
            return Batch(epoch=None)
        self._epoch, self._first, self._waiting = epoch, False, False
        log.info("%s owns lines %s", self._group.owner, ", ".join(self._group.lines))
        return Batch(epoch=epoch, gained=gained, unread=frozenset(self._next))

    def _blocker(self) -> str | None:
        """Another live owner. At its start a source takes over from its own name at once: that was its predecessor."""
        for line, owner, expires_ns in self._store.execute("SELECT line, owner, expires_ns FROM leases").fetchall():
            own = self._first and owner == self._group.owner
            if line in self._group.lines and expires_ns > time.time_ns() and not own:
                return str(owner)
        return None

    def _take(self) -> Epoch:
        (number,) = self._store.execute("SELECT coalesce(max(epoch), 0) + 1 FROM leases").fetchone()
        for line in self._group.lines:
            self._store.execute(
                "INSERT OR REPLACE INTO leases VALUES (?, ?, ?, ?)", line, self._group.owner, number, self._expires_ns()
            )
        return Epoch(self._group.lines, number)

    def _expires_ns(self) -> int:
        self._renew_s = time.monotonic() + self._settings.lease_s / 4
        return time.time_ns() + int(self._settings.lease_s * 1e9)

    def _renew(self, epoch: Epoch) -> None:
        if time.monotonic() >= self._renew_s:
            with self._store.write(durable=False):
                self._store.execute(
                    "UPDATE leases SET expires_ns = ? WHERE epoch = ?", self._expires_ns(), epoch.number
                )

    def _assignment(self, line: str) -> Assignment:
        topics = Topics(self._group.prefix, line)
        positions: dict[str, Position] = {}
        for name in topics.inputs:
            topic = self._store.topic(name)
            row = self._store.execute("SELECT next, memo FROM positions WHERE topic = ?", name).fetchone()
            self._next[topic.partition] = row[0] if row is not None else self._start(topic)
            memo = self._count_in(topic, "" if row is None else row[1])
            if row is not None:
                positions[name] = Position(row[0], memo)
        frames = positions.get(topics.of("frames"))
        left = Memo(0) if frames is None else Memo.decode(frames.memo, frames.offset)
        end = self._store.end()
        return Assignment(
            shard=Shard(line, 0),
            positions=positions,
            starts={name: self._next[TopicPartition(name, 0)] for name in topics.inputs},
            verdicts=self._left(topics.of("verdicts"), left.verdicts),
            dead_letters=self._left(topics.of("dead-letters"), left.dead_letters),
            verdict_end=end,
            dead_letter_end=end,
        )

    def _count_in(self, topic: Topic, left: str) -> str:
        """The predecessor's memo, with this owner counted: should it die of what it reads, its successor must know."""
        start = self._next[topic.partition]
        memo = Memo.decode(left, start)
        end = self._store.end() if self._store.ids(topic, memo.read, 1) else memo.read
        counted = memo.begun(end)
        if counted != memo:
            text = counted.encode()
            self._store.execute("INSERT OR REPLACE INTO positions VALUES (?, ?, ?)", topic.name, start, text)
        return counted.encode()

    def _start(self, topic: Topic) -> int:
        start = topic.floor if self._group.start_at == "earliest" else self._store.end()
        log.info("%s has no commit: begins %s, at offset %d", topic.name, self._group.start_at, start)
        return start

    def _left(self, name: str, start: int | None) -> list[Record]:
        return [] if start is None else self._store.records(self._store.topic(name), start)

    # The records

    def _read(self, epoch: Epoch, deadline_s: float) -> Batch:
        self._renew(epoch)
        while True:
            seen = self._store.changes_seen()
            batch = self._snapshot(epoch)
            if batch.records or batch.lost or time.monotonic() >= deadline_s:
                return batch
            self._store.wait(seen, deadline_s)

    def _snapshot(self, epoch: Epoch) -> Batch:
        with self._store.read():
            if not holds(self._store, epoch):
                log.warning("%s lost its lines %s to another owner", self._group.owner, ", ".join(epoch.lines))
                self._epoch, self._next = None, {}
                return Batch(epoch=epoch, lost=frozenset(Shard(line, 0) for line in epoch.lines))
            topics = [topic for topic in self._store.topics() if topic.partition in self._next]
            records = self._next_records([topic for topic in topics if topic.partition not in self._paused])
            for record in records:
                self._next[TopicPartition(record.topic, 0)] = record.offset + 1
            unread = {topic.partition for topic in topics if self._store.ids(topic, self._next[topic.partition], 1)}
        behind = {partition.topic for partition in unread}
        at_end = {Shard(line, 0) for line in epoch.lines if behind.isdisjoint(Topics(self._group.prefix, line).inputs)}
        return Batch(epoch=epoch, records=records, at_end=frozenset(at_end), unread=frozenset(unread))

    def _next_records(self, topics: Sequence[Topic]) -> list[Record]:
        """Next records in the order of their offsets, within the bounds of one poll."""
        limit = self._settings.max_poll_records
        offsets = heapq.merge(
            *(
                [(offset, topic.id) for offset in self._store.ids(topic, self._next[topic.partition], limit)]
                for topic in topics
            )
        )
        by_id = {topic.id: topic for topic in topics}
        records: list[Record] = []
        num_bytes = 0
        for offset, topic_id in offsets:
            if len(records) >= limit or num_bytes >= self._settings.max_poll_bytes:
                break
            records.append(self._store.record(by_id[topic_id], offset))
            num_bytes += len(records[-1].value)
        return records
