"""A consumer of kafka-python that no pause and no record stops: parked records come back, damaged ones are passed on.

Knows no topic.
"""

from collections.abc import Mapping
from functools import partial

from kafka import KafkaConsumer
from kafka import TopicPartition as KafkaPartition
from kafka.consumer.fetcher import Fetcher

from streams.kafka.answers import Answer, Message

MAX_PARKED_BYTES = 64 * 2**20
"""Fetched bytes of paused partitions that are kept; above it they are dropped and fetched again after the pause."""

Fetched = dict[KafkaPartition, list[Message]]


class SteadyFetcher(Fetcher):  # type: ignore[misc]
    """Fetches as kafka-python does, and takes parked records back in turn.

    kafka-python 3.0.12 parks what it holds of a partition when that is paused, and takes it back only while
    `_next_partition_records` is None, which it is not any more after the first fetch: a partition once parked was
    never read nor fetched again, and outlived rebalances so. Nothing is lost by a drop: positions move only with
    records that were handed out.
    """

    _next_partition_records: Answer | None

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)
        self.PartitionRecords = partial(Answer, max_batch_bytes=self.config["fetch_max_bytes"])

    def fetched_records(self, max_records: int | None = None, update_offsets: bool = True) -> tuple[Fetched, bool]:
        self._drop_above_bound()
        self._take_turns()
        fetched: tuple[Fetched, bool] = super().fetched_records(max_records, update_offsets)
        return fetched

    def _group_list_offset_requests(
        self, timestamps: Mapping[KafkaPartition, int]
    ) -> Mapping[int, Mapping[KafkaPartition, tuple[int, int]]]:
        """By node; nothing as long as not every leader is known, for which kafka-python waits then.

        Otherwise it answers for the others alone, and a KeyError follows.
        """
        by_node: Mapping[int, Mapping[KafkaPartition, tuple[int, int]]] = super()._group_list_offset_requests(
            timestamps
        )
        return by_node if sum(map(len, by_node.values())) == len(timestamps) else {}

    def _take_turns(self) -> None:
        """Puts the first parked records that may be read into the place in line; what was there waits behind them."""
        if not self._next_partition_records:
            self._next_partition_records = None
        ready = next((at for at in self._paused_partition_records if not self._subscriptions.is_paused(at)), None)
        if ready is None:
            return
        current, self._next_partition_records = self._next_partition_records, self._paused_partition_records.pop(ready)
        if current is not None:
            self._paused_partition_records[current.topic_partition] = current

    def _drop_above_bound(self) -> None:
        """Drops what was parked first until the rest fits."""
        sizes = {at: len(raw.partition_data.records or b"") for at, raw in self._paused_completed_fetches.items()}
        sizes |= {at: parked.num_bytes for at, parked in self._paused_partition_records.items()}
        surplus = sum(sizes.values()) - MAX_PARKED_BYTES
        for at, size in sizes.items():
            if surplus <= 0:
                return
            surplus -= size
            self._paused_completed_fetches.pop(at, None)
            if parked := self._paused_partition_records.pop(at, None):
                parked.drain()


class SteadyConsumer(KafkaConsumer):  # type: ignore[misc]
    """A consumer with the fetcher above."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        self._fetcher = SteadyFetcher(self._client, self._subscription, metrics=self._metrics, **self.config)

    def topic_id(self, topic: str) -> object:
        """What tells a topic from one of the same name that was made later; None where that is not known."""
        return self._cluster.topic_id(topic)

    def known_partitions(self, topic: str) -> frozenset[int]:
        """By the client's metadata, which it renews by itself; none for a topic that is missing."""
        return frozenset(self._cluster.partitions_for_topic(topic) or ())

    def rejoin(self) -> None:
        """Joins the group again, which makes its leader assign all partitions again."""
        self._coordinator.request_rejoin()
