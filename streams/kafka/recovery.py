"""Derives the positions of a shard from its outputs when the committed offsets of the group are gone.

Kafka forgets the offsets of a group seven days after its last member left, and an administrator can delete or reset
them. Even then, no piece may be judged twice and none may be skipped.
"""

import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from kafka import KafkaConsumer
from kafka import TopicPartition as KafkaPartition

from streams.join.offset_metadata import OffsetMetadata
from streams.kafka.readback import OutputReplay, OutputRules
from streams.kafka.settings import KafkaSettings
from streams.log import Position
from streams.records import Shard, TopicPartition, Topics

log = logging.getLogger("inspector.streams.kafka")

Positions = Mapping[KafkaPartition, Position | None]
_NUM_LAST = 100
"""Reads this many last outputs of a partition first, then ten times as many while none of them is a verdict of ours."""


def is_forgotten(positions: Positions, topics: Topics, partition: int) -> bool:
    """Whether an offset of the shard is gone, or another program has set it and its memo is gone."""
    inputs = [positions[KafkaPartition(topic, partition)] for topic in topics.inputs]
    frames = positions[KafkaPartition(topics.of("frames"), partition)]
    return None in inputs or frames is None or not frames.memo


@dataclass(slots=True)
class _Outputs:
    """Progress of a shard by its last outputs, in nanoseconds."""

    settled_ns: int
    """Input up to this time was judged or rejected."""
    last_ns: int
    """Append time of the last output."""


class Recovery:
    """Positions for shards without committed offsets, from the ends of their verdicts and dead letters."""

    def __init__(
        self, consumer: KafkaConsumer, settings: KafkaSettings, shards: Mapping[Shard, Topics], rules: OutputRules
    ) -> None:
        self._consumer, self._settings, self._shards, self._rules = consumer, settings, shards, rules
        self._num_seen, self._num_last = 0, _NUM_LAST
        self._readback: OutputReplay | None = None
        self._outputs: dict[Shard, _Outputs] = {}

    def step(self, timeout_s: float) -> bool:
        """Works for about `timeout_s`; True when the outputs are read. Errors of the cluster pass through."""
        if self._readback is None:
            firsts, ends = self._bounds()
            if all(ends[at] - firsts[at] <= self._num_seen for at in ends):
                return True
            starts = {TopicPartition(*at): max(firsts[at], ends[at] - self._num_last) for at in ends}
            self._readback = OutputReplay(self._settings, starts, self._rules.essence)
        if self._readback.step(timeout_s):
            for shard in self._shards:
                self._note(shard, self._readback)
            self.close()
            self._num_seen, self._num_last = self._num_last, self._num_last * 10
        return False

    def positions(self, known: Positions) -> dict[KafkaPartition, Position | None]:
        """Positions with memos for the shards that have outputs; the others are new to this group."""
        positions = dict(known)
        for shard, outputs in self._outputs.items():
            positions |= self._of(shard, outputs, known)
        return positions

    def close(self) -> None:
        if self._readback is not None:
            self._readback.close()
        self._readback = None

    def _bounds(self) -> tuple[Mapping[KafkaPartition, int], Mapping[KafkaPartition, int]]:
        """First and end offsets of the outputs of shards that are not resolved yet."""
        unknown = [at for shard in self._shards if shard not in self._outputs for at in self._output_partitions(shard)]
        if not unknown:
            return {}, {}
        return self._consumer.beginning_offsets(unknown), self._consumer.end_offsets(unknown)

    def _note(self, shard: Shard, readback: OutputReplay) -> None:
        for at in self._output_partitions(shard):
            for record in readback.records(TopicPartition(*at)):
                settled_ns = None if record.unreadable else self._rules.settled_ns(record)
                if settled_ns is not None:
                    settled_ns = min(settled_ns, record.append_ns)
                    before = self._outputs.setdefault(shard, _Outputs(settled_ns, record.append_ns))
                    before.settled_ns = max(before.settled_ns, settled_ns)
                    before.last_ns = max(before.last_ns, record.append_ns)

    def _of(self, shard: Shard, outputs: _Outputs, known: Positions) -> dict[KafkaPartition, Position]:
        topics = self._shards[shard]
        frames = KafkaPartition(topics.of("frames"), shard.partition)
        inputs = [KafkaPartition(topic, shard.partition) for topic in topics.inputs]
        since_ms = outputs.settled_ns // 10**6 - round(self._settings.reread_s * 1000)
        since = self._offsets([*inputs, *self._output_partitions(shard)], since_ms)
        read = self._offsets(inputs, outputs.last_ns // 10**6 + 1)
        ends = self._consumer.end_offsets(inputs)
        starts = {at: self._start(known[at], since[at], ends[at]) for at in inputs}
        memos = {at: _memo(known[at], read[at]) for at in inputs}
        verdicts, dead_letters = (since[at] for at in self._output_partitions(shard))
        memos[frames] = replace(
            memos[frames],
            verdicts=_least(verdicts, memos[frames].verdicts),
            dead_letters=_least(dead_letters, memos[frames].dead_letters),
        )
        self._report(shard, since_ms, outputs)
        return {at: Position(starts[at], memos[at].encode()) for at in inputs}

    def _start(self, known: Position | None, since: int, end: int) -> int:
        """Where to continue: input before `since` is settled; input that was skipped on purpose stays skipped."""
        if known is None:
            return since if self._settings.start_at == "earliest" else end
        return known.offset if known.memo else max(known.offset, since)

    def _offsets(self, partitions: Iterable[KafkaPartition], time_ms: int) -> dict[KafkaPartition, int]:
        """Offset of the first record at or after a time, or the end."""
        times_ms = dict.fromkeys(partitions, max(0, time_ms))
        ends = self._consumer.end_offsets(list(times_ms))
        firsts = self._consumer.offsets_for_times(times_ms)
        return {at: ends[at] if firsts[at] is None else firsts[at].offset for at in times_ms}

    def _output_partitions(self, shard: Shard) -> list[KafkaPartition]:
        return [KafkaPartition(self._shards[shard].of(kind), shard.partition) for kind in ("verdicts", "dead-letters")]

    def _report(self, shard: Shard, since_ms: int, outputs: _Outputs) -> None:
        log.warning(
            "Line %s, partition %d: the committed offsets of group %s are gone (expired, deleted or reset), but there "
            "are verdicts up to %s. Reading input again from %s; pieces that have a verdict are not judged again.",
            shard.line,
            shard.partition,
            self._settings.group,
            _clock(outputs.last_ns // 10**6),
            _clock(since_ms),
        )


def _memo(known: Position | None, read: int) -> OffsetMetadata:
    """The memo of a partition; all offsets below `read` existed when the last output was written."""
    memo = OffsetMetadata.decode(known.memo, known.offset) if known is not None and known.memo else OffsetMetadata(read)
    return replace(memo, read=max(memo.read, read))


def _least(offset: int, known: int | None) -> int:
    return offset if known is None else min(offset, known)


def _clock(time_ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time_ms / 1000))
