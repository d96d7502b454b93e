"""Finds out, step by step, where a new owner of shards goes on and what its predecessors left. Reads no payload."""

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


class Handover:
    """From an assignment by the group to `Assignment`s. The partitions stay paused until `step` gives them."""

    def __init__(
        self,
        consumer: KafkaConsumer,
        settings: KafkaSettings,
        shards: Mapping[Shard, Topics],
        on_lost: OnLost,
        rules: OutputRules = NO_RULES,
        anew: Set[str] = frozenset(),
    ) -> None:
        """`anew`: topics made anew, in which offsets committed before mean nothing."""
        self._consumer = consumer
        self._settings = settings
        self._shards = shards
        self._on_lost = on_lost
        self._rules = rules
        self._anew = anew
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
        """Goes on for about `timeout_s`; None until all shards are ready. Errors of the cluster pass through."""
        if not self._starts:
            self._find_positions(timeout_s)
            if self._is_recovered or self._recover(timeout_s):
                self._find_starts()
            return None
        if self._readback is None:
            self._readback = OutputReplay(self._settings, self._readback_starts(), self._rules.essence)
        if not self._readback.step(timeout_s):
            self.report_waiting(TimeoutError("verdicts cannot be read to their end"))
            return None
        readback = self._readback
        self._consumer.topics()  # how many partitions there are now, whatever the group's leader knew
        return [self._assignment(shard, readback) for shard in self._shards]

    def report_waiting(self, reason: Exception) -> None:
        """The cluster answers, and a predecessor's transaction is not over: normal for as long as it may last.

        Kafka 4.3.0 on one node, killed and back only after that time, skips the marker that ends it; then it hangs.
        """
        waited_s = time.monotonic() - self._begun_s
        if not self._reported and waited_s > 3 * self._settings.transaction_timeout_ms / 1000:
            self._reported = True
            log.error(
                "waiting for %.0f s on a transaction that a dead worker of group %s left open (%s): if it hangs, "
                "end it with `kafka-transactions.sh find-hanging` and `abort`",
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
        """Reads the committed positions; a predecessor's offsets that are still undecided are waited for."""
        for at in self._all():
            if at not in self._positions:
                committed = self._consumer.committed(at, metadata=True, timeout_ms=max(500, int(timeout_s * 1000)))
                is_gone = committed is None or at.topic in self._anew
                self._positions[at] = None if is_gone else _ours(at, committed)

    def _recover(self, timeout_s: float) -> bool:
        """Gives positions to shards whose offsets are gone but whose outputs are there; True when that is done."""
        if self._recovery is None:
            forgotten = {
                shard: topics
                for shard, topics in self._shards.items()
                if is_forgotten(self._positions, topics, shard.partition)
            }
            self._recovery = Recovery(self._consumer, self._settings, forgotten, self._rules)
        if not self._recovery.step(timeout_s):
            self.report_waiting(TimeoutError("verdicts cannot be read to their end"))
            return False
        self._positions, self._is_recovered = self._recovery.positions(self._positions), True
        return True

    def _find_starts(self) -> None:
        """Decides where to read on, and commits it: that proves our membership and makes `live` last."""
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
            log.info("%s/%d: no committed offset, starting %s at %d", *at, self._settings.start_at, start)
            return start
        if position.offset < first:
            self._on_lost(TopicPartition(*at), position.offset, first - 1)
            return first
        if position.offset > end:
            log.error("%s/%d: committed offset %d lies behind the end %d: was the topic made anew? Reading from %d",
                      *at, position.offset, end, first)  # fmt: skip
            memo = replace(OffsetMetadata.decode(position.memo, position.offset), read=first)
            self._positions[at] = Position(first, memo.encode())  # no predecessor has accepted what lies there now
            return first
        return position.offset

    def _count_in(self, at: KafkaPartition, start: int, end: int) -> str:
        """The predecessor's memo, with this owner counted: should it die of what it reads, its successor must know."""
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
        found = {at.topic: self._positions[at] for at in self._partitions[shard]}
        return Assignment(
            shard=shard,
            positions={topic: position for topic, position in found.items() if position is not None},
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
    """The committed position, without a memo that no inspector has written: whoever may read in this group may commit
    in it, and that must not keep every worker from starting."""
    try:
        OffsetMetadata.decode(committed.metadata, committed.offset)
    except MemoError as exc:
        log.warning("%s/%d: %s. What was judged is found out from the verdicts", *at, exc)
        return Position(committed.offset)
    return Position(committed.offset, committed.metadata)
