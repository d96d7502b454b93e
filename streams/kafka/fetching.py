"""A consumer of kafka-python that resumes paused partitions reliably, passes damaged records on and gathers records."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from threading import Event

from kafka import KafkaConsumer
from kafka import TopicPartition as KafkaPartition
from kafka.consumer.fetcher import Fetcher
from kafka.coordinator.consumer import ConsumerCoordinator

from streams.kafka.answers import Answer, Message

MAX_PARKED_BYTES = 64 * 2**20
"""Limit of fetched bytes that are kept for paused partitions; above it, they are fetched again after the pause."""

FLOWING_S = 0.2
"""Records come in a stream while the last ones are not older than this."""

Fetched = dict[KafkaPartition, list[Message]]


@dataclass(frozen=True, slots=True)
class Gathering:
    """How long a broker may collect records for one answer while records come in a stream.

    Every answer costs the broker and this process about as much as ten records. After a pause the first record comes
    at once.
    """

    wait_ms: int = 0
    """0 asks for every record at once."""
    min_bytes: int = 256 * 1024
    """An answer of this size does not wait."""


AT_ONCE = Gathering()


class ResilientFetcher(Fetcher):  # type: ignore[misc]
    """Fetches as kafka-python does, and returns to parked records in turn.

    kafka-python 3.0.12 parks the fetched records of a paused partition and takes them back only while
    `_next_partition_records` is None, which is never the case after the first fetch: a partition that was parked once
    was never read or fetched again, even across rebalances. Dropping parked records loses nothing: positions advance
    only with records that `poll` returned.
    """

    _next_partition_records: Answer | None

    def __init__(self, *arguments: object, gathering: Gathering, **options: object) -> None:
        super().__init__(*arguments, **options)
        self._gathering = gathering
        self._at_once = Gathering(self.config["fetch_max_wait_ms"], self.config["fetch_min_bytes"])
        self._flowed_s = -math.inf
        self.PartitionRecords = partial(Answer, max_batch_bytes=self.config["fetch_max_bytes"])

    def fetched_records(self, max_records: int | None = None, update_offsets: bool = True) -> tuple[Fetched, bool]:
        self._drop_above_bound()
        self._take_turns()
        fetched: tuple[Fetched, bool] = super().fetched_records(max_records, update_offsets)
        if fetched[0]:
            self._flowed_s = time.monotonic()
        return fetched

    def fetch_records(
        self, max_records: int | None = None, update_offsets: bool = True, timeout_ms: float | None = None
    ) -> tuple[Fetched, bool]:
        """As kafka-python does, and waits for an answer without the thread of the connections: passing the wait to it
        and back costs as much as ten records. The flag says that there was nothing to wait for."""
        records, is_partial = self.fetched_records(max_records, update_offsets)
        if not is_partial:
            self.send_fetches()
        if records:
            return records, False
        awaited = list(self._fetch_futures)
        if self._reset_task is not None and not self._reset_task.is_done:
            awaited.append(self._reset_task)
        if not awaited:
            return records, True
        answered = Event()
        for future in awaited:
            future.add_both(lambda _: answered.set())
        answered.wait(None if timeout_ms is None else timeout_ms / 1000)
        return self.fetched_records(max_records, update_offsets)[0], False

    def send_fetches(self) -> object:
        """Asks the brokers that are not asked yet; spares the way to the thread of the connections where all are."""
        if self._net._exception is None and self._are_all_asked():  # noqa: SLF001 - a thread that has ended raises below
            return []
        return super().send_fetches()

    def _are_all_asked(self) -> bool:
        """Whether each request under way is unanswered, and no broker has partitions to ask for without one."""
        asked, cluster = self._nodes_with_pending_fetch_requests, self._manager.cluster
        if not asked or any(future.is_done for future in self._fetch_futures):
            return False
        return all(node.node_id in asked for node in cluster.brokers())

    def _create_fetch_requests(self) -> Mapping[int, object]:
        is_flowing = self._gathering.wait_ms > 0 and time.monotonic() - self._flowed_s < FLOWING_S
        terms = self._gathering if is_flowing else self._at_once
        self.config["fetch_max_wait_ms"], self.config["fetch_min_bytes"] = terms.wait_ms, terms.min_bytes
        requests: Mapping[int, object] = super()._create_fetch_requests()
        return requests

    def _group_list_offset_requests(
        self, timestamps: Mapping[KafkaPartition, int]
    ) -> Mapping[int, Mapping[KafkaPartition, tuple[int, int]]]:
        """Requests by node; empty until every leader is known, so that kafka-python waits for the leaders.

        Otherwise it answers for a part of the partitions, and a KeyError follows.
        """
        by_node: Mapping[int, Mapping[KafkaPartition, tuple[int, int]]] = super()._group_list_offset_requests(
            timestamps
        )
        return by_node if sum(map(len, by_node.values())) == len(timestamps) else {}

    def _take_turns(self) -> None:
        """Makes the first readable parked records the next to be read, and parks the current ones."""
        if not self._next_partition_records:
            self._next_partition_records = None
        ready = next((at for at in self._paused_partition_records if not self._subscriptions.is_paused(at)), None)
        if ready is None:
            return
        current, self._next_partition_records = self._next_partition_records, self._paused_partition_records.pop(ready)
        if current is not None:
            self._paused_partition_records[current.topic_partition] = current

    def _drop_above_bound(self) -> None:
        """Drops the oldest parked records until the rest fits."""
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


class ResilientConsumer(KafkaConsumer):  # type: ignore[misc]
    """A consumer with the fetcher above."""

    def __init__(self, gathering: Gathering, /, **options: object) -> None:
        super().__init__(**options)
        self._fetcher = ResilientFetcher(
            self._client, self._subscription, metrics=self._metrics, gathering=gathering, **self.config
        )
        self._coordinator.ensure_coordinator_ready = partial(_ensure_coordinator_ready, self._coordinator)

    def position(self, partition: KafkaPartition, timeout_ms: int | None = None) -> int:
        """The next offset. kafka-python looks at every partition of the consumer each time, also where this one's
        position is settled: 80 us with twelve of them, for every partition after every poll."""
        state = self._subscription.assignment.get(partition)
        if state is not None and state.has_valid_position and not state.awaiting_validation:
            return int(state.position.offset)
        offset: int = super().position(partition, timeout_ms)
        return offset

    def topic_id(self, topic: str) -> object:
        """Distinguishes a topic from a later one of the same name; None where it is unknown."""
        return self._cluster.topic_id(topic)

    def known_partitions(self, topic: str) -> frozenset[int]:
        """From the client's metadata, which it refreshes by itself; empty for a missing topic."""
        return frozenset(self._cluster.partitions_for_topic(topic) or ())

    def rejoin(self) -> None:
        """Rejoins the group, so that its leader reassigns all partitions."""
        self._coordinator.request_rejoin()


def _ensure_coordinator_ready(coordinator: ConsumerCoordinator, timeout_ms: float | None = None) -> bool:
    """As kafka-python does at every poll, but asks the thread of the connections only where something is missing."""
    node = coordinator.coordinator_id
    if node is not None and coordinator._client.connected(node) and coordinator._net._exception is None:  # noqa: SLF001
        return True
    return bool(ConsumerCoordinator.ensure_coordinator_ready(coordinator, timeout_ms))
