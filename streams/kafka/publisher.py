"""Appends records to topics, durably and outside of any transaction. Knows no payload."""

import logging
from collections import deque
from collections.abc import Sequence

from kafka import KafkaProducer
from kafka import errors as kafka_errors
from kafka.producer.future import FutureRecordMetadata

from streams.kafka.client import FATAL_ERRORS, ConnectionMonitor, fatal, headers_of, open_producer
from streams.kafka.settings import KafkaSettings
from streams.log import LogError
from streams.records import Output

log = logging.getLogger("inspector.streams.kafka")

MAX_WAITING_BYTES = 64 * 2**20
"""Records handed over and not yet durable; `publish` waits when there are more."""


class KafkaPublisher:
    """`streams.log.Publisher` on an idempotent producer. Waits out outages."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._reach = ConnectionMonitor(settings)
        self._producer: KafkaProducer = open_producer(settings)
        self._waiting: deque[tuple[FutureRecordMetadata, int]] = deque()
        self._waiting_bytes = 0

    def publish(self, outputs: Sequence[Output]) -> None:
        """Raises LogError when a record is refused for good."""
        for each in outputs:
            while self._waiting_bytes + len(each.value) > MAX_WAITING_BYTES and self._waiting:
                self._wait_for_oldest()
            self._waiting.append((self._sent(each), len(each.value)))
            self._waiting_bytes += len(each.value)
        while self._waiting and self._waiting[0][0].is_done:
            self._wait_for_oldest()

    def flush(self) -> None:
        while self._waiting:
            self._wait_for_oldest()

    def close(self) -> None:
        """Waits for what was handed over."""
        self.flush()
        self._producer.close()

    def _sent(self, output: Output) -> FutureRecordMetadata:
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
                self._reach.failed(exc)
            except kafka_errors.KafkaError as exc:
                raise self._not_taken(exc) from exc

    def _wait_for_oldest(self) -> None:
        future, size = self._waiting[0]
        try:
            while not future.is_done:
                self._wait_once(future)
            future.get()
        except kafka_errors.KafkaError as exc:
            raise self._not_taken(exc) from exc
        finally:
            self._waiting.popleft()
            self._waiting_bytes -= size
        self._reach.worked()

    def _wait_once(self, future: FutureRecordMetadata) -> None:
        try:
            future.get(timeout=2.0)
        except kafka_errors.KafkaTimeoutError as exc:
            self._reach.failed(exc)

    def _not_taken(self, error: kafka_errors.KafkaError) -> LogError:
        if isinstance(error, FATAL_ERRORS):
            return fatal(self._settings, error)
        return LogError(f"Kafka did not take a record: {type(error).__name__}: {error}")
