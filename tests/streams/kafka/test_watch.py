"""A check of the topics when they disappear, come back, grow or cannot be described; on a stand-in for the cluster."""

from collections.abc import Callable, Sequence

import pytest
from kafka import errors as kafka_errors

from streams.kafka.settings import KafkaSettings
from streams.kafka.watch import CHECK_INTERVAL_S, TopicStatus, TopicWatch
from streams.records import Topics

TOPICS = Topics("qa", "l1")
FRAMES = TOPICS.of("frames")


class Cluster:
    """Topics by name, with id and partitions; away while `topics` is None."""

    def __init__(self) -> None:
        self.topics: dict[str, tuple[str, int]] | None = dict.fromkeys(TOPICS.sisters, ("first", 2))
        self.now_s = 0.0

    def describe_topics(self, names: Sequence[str]) -> list[dict[str, object]]:
        if self.topics is None:
            raise kafka_errors.KafkaTimeoutError
        known = {name: self.topics.get(name, (None, 0)) for name in names}
        return [{"name": name, "topic_id": each[0], "partitions": [0] * each[1]} for name, each in known.items()]

    def close(self) -> None: ...


def go(cluster: Cluster) -> None:
    cluster.topics = None


def lose(cluster: Cluster) -> None:
    assert cluster.topics is not None
    del cluster.topics[FRAMES]


def grow_one(cluster: Cluster) -> None:
    assert cluster.topics is not None
    cluster.topics[FRAMES] = ("first", 3)


def grow(cluster: Cluster) -> None:
    cluster.topics = dict.fromkeys(TOPICS.sisters, ("first", 3))


def recreate(cluster: Cluster) -> None:
    assert cluster.topics is not None
    cluster.topics[FRAMES] = ("second", 2)


MISSING = TopicStatus(f"{FRAMES} missing: create them with 'inspector topics create'")
RECREATED = TopicStatus("", frozenset({FRAMES}), frozenset({FRAMES}))


@pytest.mark.parametrize(
    ("changes", "statuses"),
    [
        pytest.param([], [TopicStatus()], id="nothing"),
        pytest.param([go], [None], id="the cluster is away"),
        pytest.param([lose, lambda _: None], [MISSING, MISSING], id="a topic is gone and stays so"),
        pytest.param([lose, recreate, lambda _: None], [MISSING, RECREATED, TopicStatus()], id="gone, then recreated"),
        pytest.param([recreate], [RECREATED], id="recreated between two checks"),
        pytest.param([grow], [TopicStatus("", frozenset(TOPICS.sisters))], id="partitions added"),
    ],
)
def test_a_check_reports_every_change(
    changes: list[Callable[[Cluster], None]], statuses: list[TopicStatus | None]
) -> None:
    cluster = Cluster()
    watch = TopicWatch(KafkaSettings(), [TOPICS], lambda: cluster.now_s, lambda _: cluster)
    assert (watch.check(), watch.check()) == (TopicStatus(), None)
    for change, status in zip(changes or [lambda _: None], statuses, strict=True):
        change(cluster)
        cluster.now_s += CHECK_INTERVAL_S
        assert watch.check() == status


def test_a_topic_with_more_partitions_than_its_sisters_is_a_problem() -> None:
    cluster = Cluster()
    watch = TopicWatch(KafkaSettings(), [TOPICS], lambda: cluster.now_s, lambda _: cluster)
    grow_one(cluster)
    sight = watch.check()
    assert sight is not None
    assert "unequal partition counts" in sight.problem
