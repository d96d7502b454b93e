"""Gives a worker its input from the file, for as long as it holds the lease of its lines. Knows no payload."""

import logging
import time
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from streams.embedded.errors import damaged
from streams.embedded.lease import Epoch, Group, Lease, holds
from streams.embedded.outage import Outage
from streams.embedded.readback import OutputReplay
from streams.embedded.settings import EmbeddedSettings
from streams.embedded.store import Store, Topic
from streams.join.offset_metadata import MemoError, OffsetMetadata
from streams.log import Assignment, Batch, LogUnavailableError, Position
from streams.records import Record, Shard, TopicPartition, Topics

log = logging.getLogger("inspector.streams.embedded")

_MAX_COUNT = 100_000
_COUNT_EVERY_S = 1.0
"""A lag is counted so far and so often: 5 ms a second for each topic that is far behind."""


class EmbeddedSource:
    """Input of one worker; waits its turn while another owner holds the lease."""

    def __init__(self, store: Store, settings: EmbeddedSettings, group: Group) -> None:
        self._store = store
        self._settings = settings
        self._group = group
        self._epoch: Epoch | None = None
        self._new_turn: Epoch | None = None
        """A turn that stands in the file, and whose predecessor's state is not read yet."""
        self._lease = Lease(store, group, settings.lease_s)
        self._outage = Outage(f"reading {store.path}")
        self._beat_outage = Outage(f"renewing the lease in {store.path}")
        self._next: dict[TopicPartition, int] = {}
        self._paused: AbstractSet[TopicPartition] = frozenset()
        self._waiting = False
        self._lag: dict[TopicPartition, int] = {}
        self._count_s = 0.0

    def poll(self, timeout_s: float) -> Batch:
        """Gives records as soon as there are some; a file that cannot be read now is tried again, and what it holds is
        presumed unread. Raises LogError for what waiting does not mend."""
        deadline_s = time.monotonic() + timeout_s
        try:
            batch = self._gain(deadline_s) if self._epoch is None else self._read(self._epoch, deadline_s)
        except LogUnavailableError as exc:
            delay_s = self._outage.failed(exc)
            time.sleep(max(0.0, min(delay_s, deadline_s - time.monotonic())))
            return Batch(
                epoch=self._epoch, unread=frozenset(self._next), lag=dict(self._lag), connection_problem=str(exc)
            )
        self._outage.worked()
        return batch

    def pause(self, partitions: AbstractSet[TopicPartition]) -> None:
        """These partitions give no records until the next call."""
        self._paused = frozenset(partitions)

    def close(self) -> None:
        """Gives the lease back, so that a successor need not wait."""
        try:
            if self._epoch is not None:
                with self._store.write(durable=False):
                    self._lease.give_back(self._epoch)
        except LogUnavailableError as exc:
            log.warning("the lease is not given back, a successor of another name waits for it: %s", exc)
        finally:
            self._store.close()

    # The lease

    def _gain(self, deadline_s: float) -> Batch:
        """Takes the lines once, and then reads what the predecessor left for as often as it takes."""
        if self._new_turn is None and (blocker := self._take()) is not None:
            if not self._waiting:
                log.warning(
                    "%s waits: %s holds the lease until it is silent for its lease time", self._group.owner, blocker
                )
            self._waiting = True
            time.sleep(min(0.1, max(0.0, deadline_s - time.monotonic())))
            return Batch(epoch=None)
        epoch = self._new_turn
        with self._store.read():
            is_held = epoch is not None and holds(self._store, epoch)
            gained = [self._assignment(line) for line in self._group.lines] if is_held else []
        self._new_turn = None
        if epoch is None or not is_held:
            return Batch(epoch=None)
        self._lease.confirm()
        self._epoch, self._waiting = epoch, False
        log.info("%s owns lines %s", self._group.owner, ", ".join(self._group.lines))
        return Batch(epoch=epoch, gained=gained, unread=frozenset(self._next))

    def _take(self) -> str | None:
        """Who keeps this worker from taking the lines; None when it has taken them."""
        with self._store.read():
            blocker = self._lease.blocker()
        if blocker is None:
            with self._store.write(durable=True, busy_s=min(1.0, self._settings.busy_s)):
                blocker = self._lease.blocker()  # another may have been quicker
                if blocker is None:
                    self._store.topics()  # a damaged one ends here: it would be made anew, and its records forgotten
                    epoch = self._lease.take()
                    for line in self._group.lines:
                        self._make_topics(Topics(self._group.prefix, line))
                        self._count_in(Topics(self._group.prefix, line))
        if blocker is None:
            self._new_turn = epoch
        return blocker

    def _beat(self, epoch: Epoch) -> None:
        """While another process holds the write lock no other worker takes the lease either: reading goes on."""
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
        """None where nothing was committed. A memo that cannot be read leaves more to read back, not less. Raises
        LogError without an offset."""
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
            log.warning("%s: %s. All verdicts and dead letters left are read back, so that none comes twice", name, exc)
            text = OffsetMetadata(offset, verdicts=0, dead_letters=0).encode()
        return Position(offset, text)

    def _count_in(self, topics: Topics) -> None:
        """Counts this owner in the memos (within `write`): should it die of what it reads, its successor must know."""
        for name in topics.inputs:
            topic = self._store.topic(name)
            position = self._committed(name)
            if position is None:
                position = Position(self._start(topic))
                log.info("%s has no commit: begins %s, at offset %d", name, self._group.start_at, position.offset)
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

    def _read(self, epoch: Epoch, deadline_s: float) -> Batch:
        self._beat(epoch)
        while True:
            seen = self._store.changes_seen()
            batch = self._snapshot(epoch)
            if batch.records or batch.lost or time.monotonic() >= deadline_s:
                return batch
            self._store.wait(seen, deadline_s)

    def _snapshot(self, epoch: Epoch) -> Batch:
        """Moves on only when all of it was read: what fails half way is read again."""
        with self._store.read():
            is_held = holds(self._store, epoch)
            topics = [topic for topic in self._store.topics() if topic.partition in self._next]
            records = self._next_records([topic for topic in topics if topic.partition not in self._paused])
            following = self._next | {TopicPartition(record.topic, 0): record.offset + 1 for record in records}
            unread = {topic.partition for topic in topics if self._store.ids(topic, following[topic.partition], 1)}
            lag = self._counted(topics, following, unread)
        if not is_held:
            log.warning("%s lost its lines %s to another owner", self._group.owner, ", ".join(epoch.lines))
            self._epoch, self._next, self._lag = None, {}, {}
            return Batch(epoch=epoch, lost=frozenset(Shard(line, 0) for line in epoch.lines))
        self._next, self._lag = following, lag
        behind = {partition.topic for partition in unread}
        at_end = {Shard(line, 0) for line in epoch.lines if behind.isdisjoint(Topics(self._group.prefix, line).inputs)}
        return Batch(epoch=epoch, records=records, at_end=frozenset(at_end), unread=frozenset(unread), lag=dict(lag))

    def _counted(
        self, topics: Sequence[Topic], following: dict[TopicPartition, int], unread: AbstractSet[TopicPartition]
    ) -> dict[TopicPartition, int]:
        """Records not given yet; as of up to a second ago where there are some."""
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
