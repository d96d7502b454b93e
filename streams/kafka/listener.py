"""Turns the group's rebalances into events for the polling thread."""

from collections.abc import Set as AbstractSet
from queue import SimpleQueue

from kafka import ConsumerRebalanceListener, KafkaConsumer
from kafka import TopicPartition as KafkaPartition

Partitions = frozenset[KafkaPartition]


class GroupListener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Runs on the client's thread: queues the events and pauses new partitions."""

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
    """Pauses partitions, with a position set so that the client does not look one up."""
    consumer.pause(*partitions)
    for at in partitions:
        consumer.seek(at, 0)
