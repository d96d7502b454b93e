"""Reads a worker's input from the file while the worker holds the lease of its lines."""

import logging
import time
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from streams.deadline import Deadline
from streams.embedded.errors import damaged
from streams.embedded.lease import Epoch, Group, Lease, holds
from streams.embedded.outage import outage_of
from streams.embedded.readback import OutputReplay
from streams.embedded.settings import EmbeddedSettings
from streams.embedded.store import Store, Topic
from streams.join.offset_metadata import MemoError, OffsetMetadata
from streams.log import Assignment, Batch, LogUnavailableError, Position
from streams.records import Record, Shard, TopicPartition, Topics

log = logging.getLogger("inspector.streams.embedded")

_MAX_COUNT = 100_000
_COUNT_EVERY_S = 1.0
"""Limits of counting a lag: it costs 5 ms a second for each topic that is far behind."""


class EmbeddedSource:
    """Input of one worker; waits while another worker holds the lease."""

    def __init__(self, store: Store, settings: EmbeddedSettings, group: Group) -> None:
        self._store = store
        self._settings = settings
        self._group = group
        self._epoch: Epoch | None = None
        self._new_turn: Epoch | None = None
        """A turn that is committed, but whose predecessor's state has not been read yet."""
        self._lease = Lease(store, group, settings.lease_s)
        self._outage = outage_of(f"Reading {store.path}")
        self._beat_outage = outage_of(f"Renewing the lease in {store.path}")
        self._next: dict[TopicPartition, int] = {}
        self._paused: AbstractSet[TopicPartition] = frozenset()
        self._waiting = False
        self._lag: dict[TopicPartition, int] = {}
        self._count_s = 0.0
        self._gather_until_s = 0.0
        self._nothing: tuple[int, Batch] | None = None
        """The file's `changes_seen`, and the batch of a read then that found nothing unread."""

    def poll(self, timeout_s: float) -> Batch:
        """Returns records as soon as there are some. Retries a file that cannot be read now, and counts its partitions
        as unread meanwhile. Raises LogError where waiting cannot help."""
        deadline = Deadline.after(timeout_s)
        try:
            batch = self._gain(deadline) if self._epoch is None else self._read(self._epoch, deadline)
        except LogUnavailableError as exc:
            deadline.sleep(self._outage.failed(exc))
            return Batch(
                epoch=self._epoch, unread=frozenset(self._next), lag=dict(self._lag), connection_problem=str(exc)
            )
        self._outage.worked()
        return batch

    def pause(self, partitions: AbstractSet[TopicPartition]) -> None:
        """`poll` skips these partitions until the next call."""
        self._paused = frozenset(partitions)

    def close(self) -> None:
        """Gives the lease back, so that a successor does not have to wait."""
        try:
            if self._epoch is not None:
                with self._store.write(durable=False):
                    self._lease.give_back(self._epoch)
        except LogUnavailableError as exc:
            log.warning(
                "Cannot release the lines at the stop (%s): another worker takes over only after %.3g s.",
                exc,
                self._settings.lease_s,
            )
        finally:
            self._store.close()

    # The lease

    def _gain(self, deadline: Deadline) -> Batch:
        """Takes the lines once, then reads the predecessor's outputs; a failed read is repeated by the next poll."""
        if self._new_turn is None and (blocker := self._take()) is not None:
            if not self._waiting:
                log.warning(
                    "Worker %s stands by: worker %s judges lines %s. It takes over when that worker stops, or is "
                    "silent for %.3g s.",
                    self._group.owner,
                    blocker,
                    ", ".join(self._group.lines),
                    self._settings.lease_s,
                )
            self._waiting = True
            deadline.sleep(0.1)
            return Batch(epoch=None)
        epoch = self._new_turn
        with self._store.read():
            is_held = epoch is not None and holds(self._store, epoch)
            gained = [self._assignment(line) for line in self._group.lines] if is_held else []
        self._new_turn = None
        if epoch is None or not is_held:
            return Batch(epoch=None)
        self._lease.confirm()
        self._epoch, self._waiting, self._nothing = epoch, False, None
        log.info("Worker %s now judges lines %s.", self._group.owner, ", ".join(self._group.lines))
        return Batch(epoch=epoch, gained=gained, unread=frozenset(self._next))

    def _take(self) -> str | None:
        """The worker that still holds the lines; None when this worker has taken them."""
        with self._store.read():
            blocker = self._lease.blocker()
        if blocker is None:
            with self._store.write(durable=True, busy_s=min(1.0, self._settings.busy_s)):
                blocker = self._lease.blocker()  # another worker may have been faster
                if blocker is None:
                    self._store.topics()  # raises for a damaged row: `topic` would replace it and lose its records
                    epoch = self._lease.take()
                    for line in self._group.lines:
                        self._make_topics(Topics(self._group.prefix, line))
                        self._count_in(Topics(self._group.prefix, line))
        if blocker is None:
            self._new_turn = epoch
        return blocker

    def _beat(self, epoch: Epoch) -> None:
        """Continues while another process holds the write lock: no other worker can take the lease then either."""
        if not self._lease.is_beat_due:
            return
        try:
            with self._store.write(durable=False, busy_s=0.05):
                self._lease.beat(epoch)
        except LogUnavailableError as exc:
            if self._lease.is_beat_late:
                self._beat_outage.failed(exc)
        else:
            self._beat_outage.worked()

    def _make_topics(self, topics: Topics) -> None:
        for name in (*topics.inputs, topics.of("verdicts"), topics.of("dead-letters")):
            self._store.topic(name)

    def _assignment(self, line: str) -> Assignment:
        topics = Topics(self._group.prefix, line)
        positions: dict[str, Position] = {}
        for name in topics.inputs:
            topic = self._store.known_topic(name)
            position = self._committed(name)
            if position is not None:
                positions[name] = position
            self._next[topic.partition] = self._start(topic) if position is None else position.offset
        frames = positions.get(topics.of("frames"))
        left = OffsetMetadata(0) if frames is None else OffsetMetadata.decode(frames.memo, frames.offset)
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

    def _committed(self, name: str) -> Position | None:
        """None where nothing was committed. With an unreadable memo, all outputs are read back. Raises LogError where
        the offset is damaged."""
        row = self._store.execute("SELECT next, memo FROM positions WHERE topic = ?", name).fetchone()
        if row is None:
            return None
        offset, memo = row
        if not isinstance(offset, int):
            raise damaged(self._store.path, f"the position of {name} is {offset!r}")
        text = memo if isinstance(memo, str) else repr(memo)
        try:
            OffsetMetadata.decode(text, offset)
        except MemoError as exc:
            log.warning(
                "%s: %s. All verdicts and dead letters are read again, so that none is written twice.", name, exc
            )
            text = OffsetMetadata(offset, verdicts=0, dead_letters=0).encode()
        return Position(offset, text)

    def _count_in(self, topics: Topics) -> None:
        """Counts this owner in the memos (within `write`): if a record kills it, its successor must know."""
        for name in topics.inputs:
            topic = self._store.topic(name)
            position = self._committed(name)
            if position is None:
                position = Position(self._start(topic))
                log.info(
                    "%s: no worker has read this topic yet: starting at offset %d (start_at = %s).",
                    name,
                    position.offset,
                    self._group.start_at,
                )
            start, memo = position.offset, OffsetMetadata.decode(position.memo, position.offset)
            counted = memo.begun(start, self._store.end() if self._store.ids(topic, memo.read, 1) else memo.read)
            if counted != memo:
                text = counted.encode()
                self._store.execute("INSERT OR REPLACE INTO positions VALUES (?, ?, ?)", name, start, text)

    def _start(self, topic: Topic) -> int:
        return topic.floor if self._group.start_at == "earliest" else self._store.end()

    def _left(self, name: str, start: int | None) -> Sequence[Record]:
        if start is None:
            return ()
        topic = self._store.known_topic(name)
        return OutputReplay(self._store, topic, self._store.ids(topic, start, -1))

    # The records

    def _read(self, epoch: Epoch, deadline: Deadline) -> Batch:
        self._beat(epoch)
        deadline.sleep(max(0.0, self._gather_until_s - time.monotonic()))
        while True:
            seen = self._store.changes_seen()
            batch = self._still_nothing(seen) or self._snapshot(epoch)
            self._nothing = None if batch.records or batch.unread or batch.lost else (seen, batch)
            if batch.records or batch.lost or deadline.is_over:
                is_stream = bool(batch.records) and not batch.unread - self._paused
                self._gather_until_s = time.monotonic() + self._settings.gather_s if is_stream else 0.0
                return batch
            self._store.wait(seen, deadline)

    def _still_nothing(self, seen: int) -> Batch | None:
        """The last batch again where nobody has written since: a line at rest reads only whether the file is there."""
        if self._nothing is None or self._nothing[0] != seen:
            return None
        self._store.check_file()
        return self._nothing[1]

    def _snapshot(self, epoch: Epoch) -> Batch:
        """Advances the positions only after a complete read: a failed one is repeated."""
        with self._store.read():
            is_held = holds(self._store, epoch)
            topics = [topic for topic in self._store.topics() if topic.partition in self._next]
            records = self._next_records([topic for topic in topics if topic.partition not in self._paused])
            following = self._next | {TopicPartition(record.topic, 0): record.offset + 1 for record in records}
            unread = {topic.partition for topic in topics if self._store.ids(topic, following[topic.partition], 1)}
            lag = self._count_lag(topics, following, unread)
        if not is_held:
            log.warning(
                "Another worker has taken over lines %s from %s, which discards its uncommitted results. The other "
                "worker computes them again.",
                ", ".join(epoch.lines),
                self._group.owner,
            )
            self._epoch, self._next, self._lag = None, {}, {}
            return Batch(epoch=epoch, lost=frozenset(Shard(line, 0) for line in epoch.lines))
        self._next, self._lag = following, lag
        behind = {partition.topic for partition in unread}
        at_end = {Shard(line, 0) for line in epoch.lines if behind.isdisjoint(Topics(self._group.prefix, line).inputs)}
        return Batch(epoch=epoch, records=records, at_end=frozenset(at_end), unread=frozenset(unread), lag=dict(lag))

    def _count_lag(
        self, topics: Sequence[Topic], following: dict[TopicPartition, int], unread: AbstractSet[TopicPartition]
    ) -> dict[TopicPartition, int]:
        """Unread records by partition; where there are some, the number may be a second old."""
        is_due = time.monotonic() >= self._count_s
        if is_due:
            self._count_s = time.monotonic() + _COUNT_EVERY_S
        lag = {}
        for topic in topics:
            at = topic.partition
            if at not in unread:
                lag[at] = 0
            elif is_due or not self._lag.get(at):
                lag[at] = self._store.count(topic, following[at], _MAX_COUNT)
            else:
                lag[at] = self._lag[at]
        return lag

    def _next_records(self, topics: Sequence[Topic]) -> list[Record]:
        """Next records in the order of their offsets, within the bounds of one poll."""
        offsets = self._store.next_ids(topics, self._next, self._settings.max_poll_records)
        return self._store.some(offsets, topics)[0]
