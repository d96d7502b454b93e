"""Opens the log that a source publishes to: that of a configuration, or a Kafka cluster by its address alone."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

from inspector.config.opening import open_log
from inspector.config.service import Service
from inspector.sources.patient import PatientPublisher
from inspector.sources.target import Target, TargetError
from streams.kafka.log import KafkaLog
from streams.kafka.settings import KafkaSettings


def kafka_addresses(text: str) -> tuple[str, ...]:
    """`host:port[,host:port]`. Raises TargetError."""
    addresses = tuple(part.strip() for part in text.split(",") if part.strip())
    for address in addresses or ("",):
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal() or int(port) > 65_535:
            raise TargetError(f"{address!r} is no address of a broker; write HOST:PORT[,HOST:PORT]")
    return addresses


@contextmanager
def kafka_publisher(
    addresses: tuple[str, ...], target: Target, stop: threading.Event, patience_s: float | None = None
) -> Iterator[PatientPublisher]:
    """Without encryption and login: for these there is a configuration. Raises LogError."""
    settings = KafkaSettings(bootstrap_servers=addresses, worker="source", stop=stop, patience_s=patience_s)
    with closing(KafkaLog(settings, target.topics.prefix, [target.topics.line]).publisher()) as publisher:
        yield PatientPublisher(publisher, stop)


@contextmanager
def service_publisher(
    service: Service, stop: threading.Event, patience_s: float | None = None
) -> Iterator[PatientPublisher]:
    """Raises LogError, ConfigError."""
    opened = open_log(service.path, service.config, stop, patience_s)
    with closing(opened) as log, closing(log.publisher()) as publisher:
        yield PatientPublisher(publisher, stop)
