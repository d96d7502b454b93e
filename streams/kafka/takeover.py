"""Determines, step by step, where a new owner of shards continues and which outputs its predecessors have committed."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace

from kafka import KafkaConsumer, OffsetAndMetadata
from kafka import TopicPartition as KafkaPartition

from streams.join.offset_metadata import MemoError, OffsetMetadata
from streams.kafka.readback import NO_RULES, OutputReplay, OutputRules
from streams.kafka.recovery import Recovery, is_forgotten
from streams.kafka.settings import KafkaSettings
from streams.log import Assignment, Position
from streams.records import Shard, TopicPartition, Topics

log = logging.getLogger("inspector.streams.kafka")

OnLost = Callable[[TopicPartition, int, int], None]
"""Called with a partition and the first and last offset that were deleted before they were read."""


class Takeover:
    """Turns an assignment by the group into `Assignment`s. The partitions stay paused until `step` returns them."""

    def __init__(
        self,
        consumer: KafkaConsumer,
        settings: KafkaSettings,
        shards: Mapping[Shard, Topics],
        on_lost: OnLost,
        rules: OutputRules = NO_RULES,
        recreated: Set[str] = frozenset(),
    ) -> None:
        """`recreated`: topics whose older committed offsets are invalid."""
        self._consumer = consumer
        self._settings = settings
        self._shards = shards
        self._on_lost = on_lost
        self._rules = rules
        self._recreated = recreated
        self._partitions = {
            shard: tuple(KafkaPartition(topic, shard.partition) for topic in topics.inputs)
            for shard, topics in shards.items()
        }
        self._positions: dict[KafkaPartition, Position | None] = {}
        self._starts: dict[KafkaPartition, int] = {}
        self._readback: OutputReplay | None = None
        self._recovery: Recovery | None = None
        self._is_recovered = False
        self._begun_s = time.monotonic()
        self._reported = False

    def step(self, timeout_s: float) -> Sequence[Assignment] | None:
        """Works for about `timeout_s`; returns None until all shards are ready. Errors of the cluster pass through."""
        if not self._starts:
            self._find_positions(timeout_s)
            if self._is_recovered or self._recover(timeout_s):
                self._find_starts()
            return None
        if self._readback is None:
            self._readback = OutputReplay(self._settings, self._readback_starts(), self._rules.essence)
        if not self._readback.step(timeout_s):
            self.report_waiting(TimeoutError("the verdicts cannot be read to their end"))
            return None
        readback = self._readback
        self._consumer.topics()  # the current number of partitions: the group's leader may have known fewer
        return [self._assignment(shard, readback) for shard in self._shards]

    def report_waiting(self, reason: Exception) -> None:
        """Call while the cluster answers but a predecessor's transaction is open: normal until its timeout.

        Kafka 4.3.0 on one node, if killed for longer than the timeout, skips the marker that ends the transaction,
        which then hangs.
        """
        waited_s = time.monotonic() - self._begun_s
        if not self._reported and waited_s > 3 * self._settings.transaction_timeout_s:
            self._reported = True
            log.error(
                "A transaction of a dead worker is still open and has blocked reading for %.0f s (group %s: %s). If "
                "this goes on, look for it with `kafka-transactions.sh find-hanging` and end it with `abort`.",
                waited_s,
                self._settings.group,
                reason,
            )

    def close(self) -> None:
        if self._readback is not None:
            self._readback.close()
        if self._recovery is not None:
            self._recovery.close()

    def _find_positions(self, timeout_s: float) -> None:
        """Reads the committed positions; waits for undecided offsets of a predecessor."""
        for at in self._all():
            if at not in self._positions:
                committed = self._consumer.committed(at, metadata=True, timeout_ms=max(500, int(timeout_s * 1000)))
                is_gone = committed is None or at.topic in self._recreated
                self._positions[at] = None if is_gone else _ours(at, committed)

    def _recover(self, timeout_s: float) -> bool:
        """Determines positions from outputs where the offsets are gone; True when this is complete."""
        if self._recovery is None:
            forgotten = {
                shard: topics
                for shard, topics in self._shards.items()
                if is_forgotten(self._positions, topics, shard.partition)
            }
            self._recovery = Recovery(self._consumer, self._settings, forgotten, self._rules)
        if not self._recovery.step(timeout_s):
            self.report_waiting(TimeoutError("the verdicts cannot be read to their end"))
            return False
        self._positions, self._is_recovered = self._recovery.positions(self._positions), True
        return True

    def _find_starts(self) -> None:
        """Decides where to continue and commits that: it proves our membership and makes `live` permanent."""
        firsts = self._consumer.beginning_offsets(self._all())
        ends = self._consumer.end_offsets(self._all())
        starts = {at: self._start(at, firsts[at], ends[at]) for at in self._all()}
        memos = {at: self._count_in(at, start, ends[at]) for at, start in starts.items()}
        self._consumer.commit({at: OffsetAndMetadata(start, memos[at], -1) for at, start in starts.items()})
        for at, start in starts.items():
            self._consumer.seek(at, start)
        self._starts = starts

    def _start(self, at: KafkaPartition, first: int, end: int) -> int:
        position = self._positions[at]
        if position is None:
            start = first if self._settings.start_at == "earliest" else end
            log.info(
                "%s/%d: no worker has read this partition yet: starting at offset %d (start_at = %s).",
                *at,
                start,
                self._settings.start_at,
            )
            return start
        if position.offset < first:
            self._on_lost(TopicPartition(*at), position.offset, first - 1)
            return first
        if position.offset > end:
            log.error("%s/%d: the last worker stopped at offset %d, but the topic ends at %d, so it was probably "
                      "recreated. Reading again from offset %d.",
                      *at, position.offset, end, first)  # fmt: skip
            memo = replace(OffsetMetadata.decode(position.memo, position.offset), read=first)
            self._positions[at] = Position(first, memo.encode())  # no predecessor has accepted the records there
            return first
        return position.offset

    def _count_in(self, at: KafkaPartition, start: int, end: int) -> str:
        """The predecessor's memo, with this owner counted: if a record kills it, its successor must know."""
        position = self._positions[at]
        if position is None:
            return OffsetMetadata(start).begun(start, end).encode()
        memo = OffsetMetadata.decode(position.memo, position.offset).begun(start, end)
        self._positions[at] = Position(position.offset, memo.encode())
        return memo.encode()

    def _readback_starts(self) -> dict[TopicPartition, int | None]:
        starts: dict[TopicPartition, int | None] = {}
        for shard, topics in self._shards.items():
            frames = self._positions[KafkaPartition(topics.of("frames"), shard.partition)]
            memo = None if frames is None else OffsetMetadata.decode(frames.memo, frames.offset)
            starts[TopicPartition(topics.of("verdicts"), shard.partition)] = None if memo is None else memo.verdicts
            starts[TopicPartition(topics.of("dead-letters"), shard.partition)] = (
                None if memo is None else memo.dead_letters
            )
        return starts

    def _assignment(self, shard: Shard, readback: OutputReplay) -> Assignment:
        topics = self._shards[shard]
        verdicts = TopicPartition(topics.of("verdicts"), shard.partition)
        dead_letters = TopicPartition(topics.of("dead-letters"), shard.partition)
        positions = {at.topic: self._positions[at] for at in self._partitions[shard]}
        return Assignment(
            shard=shard,
            positions={topic: position for topic, position in positions.items() if position is not None},
            starts={at.topic: self._starts[at] for at in self._partitions[shard]},
            verdicts=readback.records(verdicts),
            dead_letters=readback.records(dead_letters),
            verdict_end=readback.end(verdicts),
            dead_letter_end=readback.end(dead_letters),
            num_partitions=len(self._consumer.partitions_for_topic(topics.of("frames"))),
        )

    def _all(self) -> list[KafkaPartition]:
        return [at for partitions in self._partitions.values() for at in partitions]


def _ours(at: KafkaPartition, committed: OffsetAndMetadata) -> Position:
    """The committed position, without a memo of another program: any client that may read in this group can commit in
    it, and that must not keep every worker from starting."""
    try:
        OffsetMetadata.decode(committed.metadata, committed.offset)
    except MemoError as exc:
        log.warning("%s/%d: %s. The verdict topic is read instead, to see which pieces are judged.", *at, exc)
        return Position(committed.offset)
    return Position(committed.offset, committed.metadata)
