"""Following verdicts from the beginning, the end, a token and a time, on a real broker."""

import time
from collections.abc import Sequence
from contextlib import closing

import pytest
from kafka import KafkaProducer

from streams.kafka import settings
from streams.kafka.client import open_admin
from streams.log import Start, Tail, TokenExpiredError, TokenInvalidError
from streams.records import Record, TopicPartition
from streams.resume_token import encode
from tests.integration.kafka_line import KafkaLine

pytestmark = pytest.mark.broker


def read(line: KafkaLine, start: Start, count: int, timeout_s: float = 60.0) -> list[bytes]:
    records: list[Record] = []
    deadline = time.monotonic() + timeout_s
    with closing(line.log().tail(start)) as tail:
        while len(records) < count and time.monotonic() < deadline:
            records += tail.poll(0.1)
        records += tail.poll(0.2)
    return [record.value for record in records]


def publish(line: KafkaLine, values: Sequence[bytes]) -> None:
    line.publish(values, kind="verdicts")


def token(line: KafkaLine, offset: int) -> bytes:
    return encode({TopicPartition(line.topics.of("verdicts"), 0): offset})


def test_earliest_gives_all_partitions(line: KafkaLine) -> None:
    publish(line, [b"a", b"b"])
    line.publish([b"c"], kind="verdicts", partition=1)
    assert sorted(read(line, Start(earliest=True), 3)) == [b"a", b"b", b"c"]


def test_dead_letters_are_followed_apart_from_verdicts(line: KafkaLine) -> None:
    """A look-up asks them whether another part was read under an id."""
    publish(line, [b"verdict"])
    line.publish([b"letter"], kind="dead-letters", partition=1)
    records: list[Record] = []
    deadline = time.monotonic() + 60
    with closing(line.log().dead_letters(Start(earliest=True))) as tail:
        while not records and time.monotonic() < deadline:
            records += tail.poll(0.1)
        assert [(record.topic, record.value) for record in records] == [(line.topics.of("dead-letters"), b"letter")]
        assert tail.position()[TopicPartition(line.topics.of("dead-letters"), 1)] == 1


def test_live_gives_what_comes_after(line: KafkaLine) -> None:
    publish(line, [b"old"])
    with closing(line.log().tail(Start())) as tail:
        publish(line, [b"new"])
        records: list[Record] = []
        deadline = time.monotonic() + 60
        while not records and time.monotonic() < deadline:
            records += tail.poll(0.1)
        assert [record.value for record in records] == [b"new"]
        assert tail.position()[TopicPartition(line.topics.of("verdicts"), 0)] == 2


def test_a_token_resumes_and_a_partition_it_does_not_know_is_read_whole(line: KafkaLine) -> None:
    publish(line, [b"a", b"b", b"c"])
    line.publish([b"d"], kind="verdicts", partition=1)
    assert sorted(read(line, Start(token=token(line, 1)), 3)) == [b"b", b"c", b"d"]


def test_a_position_is_a_token_that_repeats_and_loses_nothing(line: KafkaLine) -> None:
    publish(line, [b"a", b"b"])
    with closing(line.log().tail(Start(earliest=True))) as tail:
        while not tail.poll(0.1):
            pass
        handed_out = encode(tail.position())
    publish(line, [b"c"])
    assert read(line, Start(token=handed_out), 1) == [b"c"]


def test_a_time_gives_what_was_appended_since(line: KafkaLine) -> None:
    publish(line, [b"before"])
    time.sleep(0.05)  # append times have milliseconds
    since_ns = time.time_ns()
    time.sleep(0.05)
    publish(line, [b"after"])
    assert read(line, Start(time_ns=since_ns), 1) == [b"after"]


def test_a_token_before_the_oldest_record_left_names_its_time(line: KafkaLine) -> None:
    publish(line, [b"%d" % number for number in range(5)])
    line.delete_before("verdicts", 0, 3)
    with pytest.raises(TokenExpiredError, match="oldest record that retention has left") as caught:
        read(line, Start(token=token(line, 2)), 1)
    assert read(line, Start(time_ns=caught.value.oldest_ns), 2) == [b"3", b"4"]
    with pytest.raises(TokenExpiredError):
        read(line, Start(time_ns=caught.value.oldest_ns - 10**9), 1)


def test_a_token_behind_the_end_is_invalid(line: KafkaLine) -> None:
    with pytest.raises(TokenInvalidError, match="recreated"):
        read(line, Start(token=token(line, 7)), 1)


class Latin(str):
    """A header name whose bytes are not UTF-8."""

    def encode(self, *_: object, **__: object) -> bytes:
        return b"\xfc"


def test_a_record_that_the_client_cannot_decode_is_passed_over_and_said(
    line: KafkaLine, caplog: pytest.LogCaptureFixture
) -> None:
    line.publish([b"a"], kind="verdicts")
    with closing(KafkaProducer(bootstrap_servers=line.settings.bootstrap_servers)) as producer:
        producer.send(line.topics.of("verdicts"), b"?", headers=[(Latin("x"), b"")], partition=0).get(10)
    line.publish([b"b"], kind="verdicts")
    assert read(line, Start(earliest=True), 2) == [b"a", b"b"]
    assert "1 records cannot be decoded and are skipped, the first at offset 1" in caplog.text


def poll_until(tail: Tail, deadline: float) -> None:
    while time.monotonic() < deadline:
        tail.poll(0.1)


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "METADATA_MAX_AGE_MS", 200)


@pytest.mark.usefixtures("_quick")
def test_added_partitions_are_followed_from_their_beginning(line: KafkaLine) -> None:
    with closing(line.log().tail(Start())) as tail:
        with closing(open_admin(line.settings)) as admin:
            admin.create_partitions({line.topics.of("verdicts"): 3})
        line.publish([b"new"], kind="verdicts", partition=2)
        records: list[Record] = []
        deadline = time.monotonic() + 60
        while not records and time.monotonic() < deadline:
            records += tail.poll(0.1)
        assert [record.value for record in records] == [b"new"]
        assert tail.position()[TopicPartition(line.topics.of("verdicts"), 2)] == 1


@pytest.mark.usefixtures("_quick")
def test_a_recreated_topic_ends_the_tail_and_a_missing_one_is_reported(
    line: KafkaLine, caplog: pytest.LogCaptureFixture
) -> None:
    publish(line, [b"old"])
    with closing(line.log().tail(Start(earliest=True))) as tail:
        assert tail.poll(2.0)
        with closing(open_admin(line.settings)) as admin:
            admin.delete_topics([line.topics.of("verdicts")])
        deadline = time.monotonic() + 60
        while "is missing: waiting for it" not in caplog.text and time.monotonic() < deadline:
            tail.poll(0.1)
        line.create()
        publish(line, [b"new"] * 2)
        with pytest.raises(TokenExpiredError, match="recreated"):
            poll_until(tail, deadline)
    assert caplog.text.count("is missing: waiting for it") == 1
