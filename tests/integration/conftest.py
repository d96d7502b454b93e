"""Provides a real Apache Kafka broker on free ports. Fails at once, never skips, when it cannot run."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.kafka.run import Broker, BrokerError, properties
from tests.integration.kafka_line import KafkaLine
from tests.servers.programs import check_mark


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for probe in sockets:
        probe.bind(("127.0.0.1", 0))
    ports = [int(probe.getsockname()[1]) for probe in sockets]
    for probe in sockets:
        probe.close()
    return ports


def start(data: Path, config: dict[str, str], scram: dict[str, str] | None = None) -> Broker:
    check_mark("Kafka")
    config = {"group.min.session.timeout.ms": "500", **config}
    broker = Broker(data, config, scram)
    try:
        broker.start()
    except BrokerError as exc:
        pytest.exit(f"the tests against a real broker cannot run: {exc}", returncode=3)
    return broker


@pytest.fixture(scope="session")
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """host:port of a broker for the whole session."""
    data = tmp_path_factory.mktemp("kafka")
    port, controller = free_ports(2)
    broker = start(data, properties(port, controller, data))
    yield f"127.0.0.1:{port}"
    broker.stop()


@pytest.fixture
def line(bootstrap: str, request: pytest.FixtureRequest) -> KafkaLine:
    """A separate line, named after the test, with two partitions."""
    kafka_line = KafkaLine.named(bootstrap, request.node.name)
    kafka_line.create()
    return kafka_line
