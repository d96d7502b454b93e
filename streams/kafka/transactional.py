"""A producer of kafka-python whose transactional steps end in bounded time."""

from collections.abc import Mapping
from typing import Protocol

from kafka import KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka import errors as kafka_errors
from kafka.net.compat import KafkaNetClient


class PatientClient(KafkaNetClient):  # type: ignore[misc]
    """Returns False for a node that is not ready, where kafka-python 3.0.12 raises.

    After that exception its producer drops the current transactional request and waits forever for the answer. With
    False it looks the coordinator up again and keeps the request.
    """

    def await_ready(self, node_id: int | str, timeout_ms: float = 30_000) -> bool:
        try:
            return bool(super().await_ready(node_id, timeout_ms=timeout_ms))
        except kafka_errors.KafkaConnectionError:
            return False


class _Result(Protocol):
    def wait(self, timeout_ms: int) -> bool: ...


class BoundedProducer(KafkaProducer):  # type: ignore[misc]
    """Each step of a transaction raises KafkaTimeoutError without an answer within the transaction's timeout.

    After that time Kafka ends the transaction by itself. kafka-python waits without a limit and has no option for one.
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
