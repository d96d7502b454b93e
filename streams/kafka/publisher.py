"""Appends records to topics durably, without transactions."""

import logging
from collections import deque
from collections.abc import Sequence

from kafka import KafkaProducer
from kafka import errors as kafka_errors
from kafka.producer.future import FutureRecordMetadata

from streams.kafka.client import FATAL_ERRORS, connection_monitor, fatal_error, headers_of, open_producer
from streams.kafka.settings import KafkaSettings
from streams.log import LogError
from streams.records import Output

log = logging.getLogger("inspector.streams.kafka")

MAX_WAITING_BYTES = 64 * 2**20
"""Limit of records that are not durable yet; above it `publish` waits."""


class KafkaPublisher:
    """`streams.log.Publisher` on an idempotent producer. Waits out outages."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._monitor = connection_monitor(settings)
        self._producer: KafkaProducer = open_producer(settings)
        self._waiting: deque[tuple[FutureRecordMetadata, int]] = deque()
        self._waiting_bytes = 0

    def publish(self, outputs: Sequence[Output]) -> None:
        """Raises LogError when Kafka rejects a record."""
        for output in outputs:
            while self._waiting_bytes + len(output.value) > MAX_WAITING_BYTES and self._waiting:
                self._wait_for_oldest()
            self._waiting.append((self._send(output), len(output.value)))
            self._waiting_bytes += len(output.value)
        while self._waiting and self._waiting[0][0].is_done:
            self._wait_for_oldest()

    def flush(self) -> None:
        while self._waiting:
            self._wait_for_oldest()

    def close(self) -> None:
        """Waits until all records are durable."""
        self.flush()
        self._producer.close()

    def _send(self, output: Output) -> FutureRecordMetadata:
        if len(output.value) > self._settings.max_record_bytes:
            raise LogError(
                f"a record of {len(output.value)} bytes for {output.topic} is larger than max_record_bytes = "
                f"{self._settings.max_record_bytes}: raise it here, at the topics and at the broker"
            )
        while True:
            try:
                return self._producer.send(
                    output.topic,
                    value=output.value,
                    key=output.key,
                    headers=headers_of(output.type),
                    partition=output.partition,
                )
            except kafka_errors.KafkaTimeoutError as exc:  # the topic's partitions are not known yet
                self._monitor.failed(exc)
            except kafka_errors.KafkaError as exc:
                raise self._rejected(exc) from exc

    def _wait_for_oldest(self) -> None:
        future, size = self._waiting[0]
        try:
            while not future.is_done:
                self._wait_once(future)
            future.get()
        except kafka_errors.KafkaError as exc:
            raise self._rejected(exc) from exc
        finally:
            self._waiting.popleft()
            self._waiting_bytes -= size
        self._monitor.worked()

    def _wait_once(self, future: FutureRecordMetadata) -> None:
        try:
            future.get(timeout=2.0)
        except kafka_errors.KafkaTimeoutError as exc:
            self._monitor.failed(exc)

    def _rejected(self, error: kafka_errors.KafkaError) -> LogError:
        if isinstance(error, FATAL_ERRORS):
            return fatal_error(self._settings, error)
        return LogError(f"Kafka rejected a record: {type(error).__name__}: {error}")
