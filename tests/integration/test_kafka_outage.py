"""A broker that dies and comes back: all clients wait for it, log it once, and continue."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.kafka.run import Broker, properties
from streams.join.offset_metadata import OffsetMetadata
from streams.log import Position
from streams.records import Output, TopicPartition
from tests.integration.conftest import free_ports, start
from tests.integration.kafka_line import FRAME, KafkaLine, poll_for, poll_until

pytestmark = pytest.mark.broker


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[tuple[Broker, KafkaLine]]:
    """A separate broker to be killed, and a line on it."""
    port, controller = free_ports(2)
    broker = start(tmp_path, properties(port, controller, tmp_path))
    line = KafkaLine.named(f"127.0.0.1:{port}", "outage")
    line.create()
    yield broker, line
    broker.stop()


def test_an_outage_is_waited_out_and_logged_once(
    broker: tuple[Broker, KafkaLine], caplog: pytest.LogCaptureFixture
) -> None:
    kafka, line = broker
    frames = TopicPartition(line.topics.of("frames"), 0)
    log = line.log()
    with closing(log.sink()) as sink, closing(log.source()) as source, closing(log.publisher()) as publisher:
        publisher.publish([Output(frames.topic, 0, b"station", b"a", FRAME)])
        poll_until(source, 1)
        poll_for(source, "at_end")
        kafka.kill()
        caplog.clear()
        publisher.publish([Output(frames.topic, 0, b"station", b"b", FRAME)])
        until = time.monotonic() + 4
        while time.monotonic() < until:
            assert not source.poll(0.1).at_end
        kafka.start()
        values: list[bytes] = []  # "a" comes again when the outage outlasted the session
        while b"b" not in values:
            values += [record.value for record in source.poll(0.1).records]
        publisher.flush()
        position = Position(2, OffsetMetadata(read=2, verdicts=0, dead_letters=0).encode())
        sink.commit([line.verdict(b"A"), line.verdict(b"B")], {frames: position}, source.poll(0).epoch)
        messages = [record.getMessage() for record in caplog.records if record.name == "inspector.streams.kafka"]
        assert len([message for message in messages if "does not answer" in message]) == 1
        assert len([message for message in messages if "answers again" in message]) == 1
    assert [record.value for record in line.verdicts(2)] == [b"A", b"B"]


def test_a_commit_begun_in_an_outage_is_written_once(broker: tuple[Broker, KafkaLine]) -> None:
    kafka, line = broker
    frames = TopicPartition(line.topics.of("frames"), 0)
    line.publish([b"a"])
    patient = replace(line.settings, session_timeout_s=60.0, transaction_timeout_s=60.0)
    log = replace(line, settings=patient).log()  # else a slow restart is a refused commit, and rightly so
    with closing(log.sink()) as sink, closing(log.source()) as source:
        batches, _ = poll_until(source, 1)
        kafka.kill()
        restart = threading.Timer(1.0, kafka.start)
        restart.start()
        sink.commit([line.verdict(b"A")], {frames: Position(1, OffsetMetadata(read=1).encode())}, batches[-1].epoch)
        restart.join()
    assert [record.value for record in line.verdicts(1)] == [b"A"]


@pytest.mark.parametrize("point", ["before begin", "after produce", "after send_offsets", "before commit"])
def test_a_broker_killed_within_a_transaction_costs_seconds(broker: tuple[Broker, KafkaLine], point: str) -> None:
    kafka, line = broker
    frames = TopicPartition(line.topics.of("frames"), 0)
    restart = threading.Timer(1.0, kafka.start)
    reached: list[str] = []

    def strike(step: str) -> None:
        if step == point and point not in reached:
            kafka.kill()
            restart.start()
        reached.append(step)

    line.publish([b"a"])
    patient = replace(line.settings, session_timeout_s=60.0, transaction_timeout_s=60.0)
    log = replace(line, settings=patient).log()  # no timeout of the cluster's or of the sink's may help it out
    with closing(log.sink(strike)) as sink, closing(log.source()) as source:
        batches, _ = poll_until(source, 1)
        commit = threading.Thread(
            target=sink.commit,
            args=([line.verdict(b"A")], {frames: Position(1, OffsetMetadata(read=1).encode())}, batches[-1].epoch),
            daemon=True,  # one that never returns fails the test instead of holding it
        )
        commit.start()
        commit.join(90)
        restart.join()
        assert point in reached
        assert not commit.is_alive()
    assert [record.value for record in line.verdicts(1)] == [b"A"]


def test_opening_waits_for_a_cluster_that_is_not_there_yet(tmp_path: Path) -> None:
    port, controller = free_ports(2)
    kafka = Broker(tmp_path, properties(port, controller, tmp_path))
    line = KafkaLine.named(f"127.0.0.1:{port}", "late")
    begin = threading.Timer(0.5, kafka.start)
    begin.start()
    try:
        line.create()
        line.publish([b"a"], kind="verdicts")
        assert [record.value for record in line.verdicts(1)] == [b"a"]
    finally:
        begin.join()
        kafka.stop()
