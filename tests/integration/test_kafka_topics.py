"""Topics created, checked and repaired on a real broker."""

from contextlib import closing
from dataclasses import replace

import pytest
from kafka import KafkaProducer
from kafka import errors as kafka_errors
from kafka.admin import ConfigResource, ConfigResourceType

from streams.kafka.client import open_admin
from streams.kafka.topics import COMPRESSION, STAMP, TopicPlan, check_topics, create_topics
from streams.log import TopicsError
from tests.integration.kafka_line import PREFIX, KafkaLine

pytestmark = pytest.mark.broker


@pytest.fixture
def bare(bootstrap: str, request: pytest.FixtureRequest) -> KafkaLine:
    """A line without topics."""
    return KafkaLine.named(bootstrap, request.node.name)


def make(line: KafkaLine, kind: str, partitions: int) -> None:
    with closing(open_admin(line.settings)) as admin:
        admin.create_topics(
            {line.topics.of(kind): {"num_partitions": partitions, "replication_factor": 1}}, wait_for_metadata=True
        )


def test_created_topics_pass_the_check(bare: KafkaLine) -> None:
    report = create_topics(bare.settings, PREFIX, [bare.name], TopicPlan(partitions=3, retention_hours=1))
    control = bare.topics.of("control")
    assert report == [
        f"{topic}: created with {'1 partition' if topic == control else '3 partitions'}" for topic in bare.topics.all
    ]
    assert check_topics(bare.settings, PREFIX, [bare.name]) == []


def test_missing_topics_are_one_problem(bare: KafkaLine) -> None:
    assert check_topics(bare.settings, PREFIX, [bare.name]) == [
        f"{', '.join(bare.topics.all)} missing: create them with 'inspector topics create'"
    ]


def test_unequal_partitions_are_refused_then_mended(bare: KafkaLine) -> None:
    make(bare, "signals", 1)
    make(bare, "feedback", 2)
    create_topics(bare.settings, PREFIX, [bare.name], TopicPlan(partitions=1))
    make_larger = replace(bare, partitions=2)
    with closing(open_admin(bare.settings)) as admin:
        admin.create_partitions({bare.topics.of("frames"): 2})
    with pytest.raises(TopicsError, match=r"frames has 2, .*signals has 1.*--partitions 2"):
        bare.log().source()
    make_larger.create()
    assert check_topics(bare.settings, PREFIX, [bare.name]) == []
    bare.log().source().close()


def test_partitions_that_cannot_be_removed_are_an_error_with_the_cure(bare: KafkaLine) -> None:
    make(bare, "frames", 3)
    problem = check_topics(bare.settings, PREFIX, [bare.name])[0]
    assert "missing: create them" in problem
    with pytest.raises(TopicsError, match=r"frames has 3, .*signals has 2.*--partitions 3"):
        create_topics(bare.settings, PREFIX, [bare.name], TopicPlan(partitions=2))
    create_topics(bare.settings, PREFIX, [bare.name], TopicPlan(partitions=3))
    assert check_topics(bare.settings, PREFIX, [bare.name]) == []


def test_unequal_topics_are_named_next_to_missing_ones(bare: KafkaLine) -> None:
    make(bare, "frames", 3)
    make(bare, "signals", 2)
    problem = check_topics(bare.settings, PREFIX, [bare.name])[0]
    assert "missing: create them" in problem
    assert "frames has 3" in problem


def test_wrong_stamps_and_sizes_are_named_and_mended(bare: KafkaLine) -> None:
    make(bare, "frames", 2)
    replace(bare, partitions=2)
    with closing(open_admin(bare.settings)) as admin:
        admin.create_topics(
            {
                bare.topics.of(kind): {"num_partitions": 2, "replication_factor": 1}
                for kind in ("signals", "pieces", "verdicts", "dead-letters", "feedback", "shadow")
            },
            wait_for_metadata=True,
        )
    make(bare, "control", 1)
    problems = check_topics(bare.settings, PREFIX, [bare.name])
    assert len([problem for problem in problems if "LogAppendTime" in problem]) == 8
    assert len([problem for problem in problems if "must be compact alone" in problem]) == 1
    bare.create()
    assert check_topics(bare.settings, PREFIX, [bare.name]) == []


def alter(line: KafkaLine, kind: str, option: str, value: str) -> None:
    with closing(open_admin(line.settings)) as admin:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, line.topics.of(kind), {option: value})])


def test_a_worker_refuses_topics_that_producers_stamp(line: KafkaLine) -> None:
    alter(line, "signals", STAMP, "CreateTime")
    with pytest.raises(TopicsError, match=rf"{line.topics.of('signals')}: .*LogAppendTime.*inspector topics create"):
        line.log().source()


def test_a_worker_says_which_topics_let_compressed_batches_in(
    line: KafkaLine, caplog: pytest.LogCaptureFixture
) -> None:
    alter(line, "frames", COMPRESSION, "producer")
    line.log().source().close()
    assert f"{line.topics.of('frames')}: compression.type is producer, must be uncompressed" in caplog.text


def test_the_broker_unpacks_batches_and_refuses_what_is_too_large_then(line: KafkaLine) -> None:
    options = {"bootstrap_servers": line.settings.bootstrap_servers, "compression_type": "gzip"}
    with closing(KafkaProducer(**options, max_request_size=2**28)) as producer:
        producer.send(line.topics.of("frames"), b"fits", partition=0).get(10)
        with pytest.raises(kafka_errors.MessageSizeTooLargeError):
            producer.send(line.topics.of("frames"), bytes(2 * line.settings.max_record_bytes), partition=0).get(10)
