"""Turns the group's rebalances into events that the polling thread looks at when it wants to. Reads no record."""

from collections.abc import Set as AbstractSet
from queue import SimpleQueue

from kafka import ConsumerRebalanceListener, KafkaConsumer
from kafka import TopicPartition as KafkaPartition

Partitions = frozenset[KafkaPartition]


class GroupListener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Runs on the client's own thread: only notes what happened, and keeps new partitions from being read."""

    def __init__(self, consumer: KafkaConsumer, events: "SimpleQueue[Partitions | None]") -> None:
        self._consumer = consumer
        self._events = events

    def on_partitions_revoked(self, revoked: AbstractSet[KafkaPartition]) -> None:
        self._events.put(None)

    def on_partitions_lost(self, lost: AbstractSet[KafkaPartition]) -> None:
        self._events.put(None)

    def on_partitions_assigned(self, assigned: AbstractSet[KafkaPartition]) -> None:
        hold(self._consumer, frozenset(assigned))
        self._events.put(frozenset(assigned))


def hold(consumer: KafkaConsumer, partitions: Partitions) -> None:
    """Pauses partitions, with a position of their own so that the client does not look for one."""
    consumer.pause(*partitions)
    for at in partitions:
        consumer.seek(at, 0)
