"""A producer of kafka-python whose transactional steps end in bounded time. Knows no topic and no settings."""

from collections.abc import Mapping
from typing import Protocol

from kafka import KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka import errors as kafka_errors
from kafka.net.compat import KafkaNetClient


class PatientClient(KafkaNetClient):  # type: ignore[misc]
    """Says that a node is not ready where kafka-python 3.0.12 raises.

    Its producer drops the transactional request in hand when a connection fails at that point, and waits for the
    answer for ever; told False, it looks for the coordinator anew and keeps the request.
    """

    def await_ready(self, node_id: int | str, timeout_ms: float = 30_000) -> bool:
        try:
            return bool(super().await_ready(node_id, timeout_ms=timeout_ms))
        except kafka_errors.KafkaConnectionError:
            return False


class _Result(Protocol):
    def wait(self, timeout_ms: int) -> bool: ...


class BoundedProducer(KafkaProducer):  # type: ignore[misc]
    """Each step of a transaction raises KafkaTimeoutError when it has no answer within the transaction's timeout.

    Kafka ends the transaction by itself then. kafka-python waits without a limit, and offers none.
    """

    def flush(self, timeout: float | None = None) -> None:
        super().flush(self._limit_ms / 1000 if timeout is None else timeout)

    def send_offsets_to_transaction(
        self, offsets: Mapping[TopicPartition, OffsetAndMetadata], group_metadata: object
    ) -> None:
        self._wait(self._transaction_manager.send_offsets_to_transaction(offsets, group_metadata), "offsets")

    def commit_transaction(self) -> None:
        self._wait(self._transaction_manager.begin_commit(), "commit")

    def abort_transaction(self) -> None:
        self._wait(self._transaction_manager.begin_abort(), "abort")

    @property
    def _limit_ms(self) -> int:
        return int(self.config["transaction_timeout_ms"])

    def _wait(self, result: _Result, step: str) -> None:
        self._sender.wakeup()
        if not result.wait(timeout_ms=self._limit_ms):
            raise kafka_errors.KafkaTimeoutError(f"no answer to the {step} of a transaction in {self._limit_ms} ms")
