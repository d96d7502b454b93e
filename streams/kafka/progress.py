"""Tracks which input partitions are read to their end, and confirms it with the cluster."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from kafka import KafkaConsumer
from kafka import TopicPartition as KafkaPartition

from streams.records import Shard, TopicPartition

CONFIRM_INTERVAL_S = 0.3
CONFIRM_TIMEOUT_MS = 1_000


class Progress:
    """Compares positions with the ends of partitions: ends that come with records, and ends requested three times a
    second.

    A requested end proves that the cluster answers; without it the join's clock must not advance.
    """

    def __init__(self, consumer: KafkaConsumer, clock: Callable[[], float] = time.monotonic) -> None:
        self._consumer = consumer
        self._clock = clock
        self._ends: dict[KafkaPartition, int] = {}
        self._next_s = 0.0

    def begin(self, partitions: Iterable[KafkaPartition]) -> None:
        """Starts over: these partitions count as unread until an end shows otherwise."""
        self._ends = dict.fromkeys(partitions, -1)
        self._next_s = 0.0

    def _drained(self, at: KafkaPartition) -> bool:
        watermark = self._consumer.highwater(at)
        if watermark is not None:
            self._ends[at] = max(self._ends[at], watermark)
        return bool(0 <= self._ends[at] <= self._consumer.position(at))

    def unread(self) -> frozenset[TopicPartition]:
        return frozenset(TopicPartition(*at) for at in self._ends if not self._drained(at))

    def lag(self) -> dict[TopicPartition, int]:
        """Records between position and known end."""
        return {
            TopicPartition(*at): max(0, end - self._consumer.position(at)) for at, end in self._ends.items() if end >= 0
        }

    def confirm(self, owned: Mapping[Shard, Sequence[KafkaPartition]], idle: bool) -> frozenset[Shard] | None:
        """Requests the ends when due (else returns None); returns the shards that are read to their end by this answer.

        `idle`: the last poll returned nothing. Raises the client's retriable errors when the cluster does not answer.
        """
        if not owned or self._clock() < self._next_s or not (idle or self._any_drained(owned)):
            return None
        self._next_s = self._clock() + CONFIRM_INTERVAL_S
        self._ends |= self._consumer.end_offsets(list(self._ends), timeout_ms=CONFIRM_TIMEOUT_MS)
        return frozenset(shard for shard, partitions in owned.items() if all(map(self._drained, partitions)))

    def _any_drained(self, owned: Mapping[Shard, Sequence[KafkaPartition]]) -> bool:
        return any(all(map(self._drained, partitions)) for partitions in owned.values())
