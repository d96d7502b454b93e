"""A tail on a cluster that does not answer in time raises a LogError."""

from collections.abc import Sequence

import pytest
from kafka import TopicPartition as KafkaPartition
from kafka import errors as kafka_errors

from streams.kafka import tail
from streams.kafka.answers import Message
from streams.kafka.settings import KafkaSettings
from streams.kafka.tail import KafkaTail
from streams.log import LogError, Start


class SlowCluster:
    """A stand-in for kafka-python's consumer whose look-ups take too long."""

    def __init__(self, *, ends: bool) -> None:
        self.ends, self.closed = ends, False

    def partitions_for_topic(self, topic: str) -> set[int]:
        return {0}

    def assign(self, partitions: Sequence[KafkaPartition]) -> None: ...

    def seek(self, at: KafkaPartition, offset: int) -> None: ...

    def end_offsets(self, partitions: Sequence[KafkaPartition], timeout_ms: int = 0) -> dict[KafkaPartition, int]:
        if not self.ends:
            raise kafka_errors.KafkaTimeoutError("30 s")
        return dict.fromkeys(partitions, 7)

    def known_partitions(self, topic: str) -> frozenset[int]:
        return frozenset({0})

    def topic_id(self, topic: str) -> object:
        return None

    def poll(self, timeout_ms: int) -> dict[KafkaPartition, list[Message]]:
        return {}

    def position(self, at: KafkaPartition) -> int:
        raise kafka_errors.KafkaTimeoutError("30 s")

    def close(self) -> None:
        self.closed = True


def opened(monkeypatch: pytest.MonkeyPatch, cluster: SlowCluster) -> KafkaTail:
    monkeypatch.setattr(tail, "open_reader", lambda settings: cluster)
    return KafkaTail(KafkaSettings(("nowhere:9092",)), ["p.l1.control"], Start())


def test_opening_raises_a_log_error(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = SlowCluster(ends=False)
    with pytest.raises(LogError, match=r"KafkaTimeoutError.*try again"):
        opened(monkeypatch, cluster)
    assert cluster.closed


def test_asking_for_the_position_raises_a_log_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LogError, match=r"KafkaTimeoutError.*try again"):
        opened(monkeypatch, SlowCluster(ends=True)).position()


def test_a_cluster_that_goes_away_while_retention_overtakes_raises_a_log_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Overtaken(SlowCluster):
        def poll(self, timeout_ms: int) -> dict[KafkaPartition, list[Message]]:
            raise kafka_errors.OffsetOutOfRangeError({})

        def offsets_for_times(self, times: object) -> None:
            raise kafka_errors.KafkaTimeoutError("30 s")

    with pytest.raises(LogError, match=r"KafkaTimeoutError.*try again"):
        opened(monkeypatch, Overtaken(ends=True)).poll(0.0)


def test_an_idle_tail_finds_out_that_the_cluster_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """kafka-python then returns nothing, as for an idle topic."""
    cluster = SlowCluster(ends=True)
    idle = opened(monkeypatch, cluster)
    monkeypatch.setattr(tail, "_PROOF_EVERY_S", 0.0)
    seen = []
    for cluster.ends in (True, False, True):
        assert not idle.poll(0.0)
        seen.append(idle.is_away)
    assert seen == [False, True, False]
