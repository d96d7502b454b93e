"""Writes outputs and input positions in one Kafka transaction."""

import logging
import time
from collections.abc import Mapping, Sequence

from kafka import OffsetAndMetadata
from kafka import TopicPartition as KafkaPartition
from kafka import errors as kafka_errors

from streams.join.offset_metadata import MAX_MEMO_BYTES
from streams.kafka.client import (
    FATAL_ERRORS,
    connection_monitor,
    connection_problem,
    discard,
    fatal_error,
    headers_of,
    open_transactional_producer,
)
from streams.kafka.session import Session
from streams.kafka.settings import KafkaSettings
from streams.kafka.topics import missing_topics
from streams.kafka.transactional import BoundedProducer
from streams.log import CommitRefusedError, LogError, Position, Step, no_step
from streams.log_clock import LogClock
from streams.records import Output, TopicPartition

log = logging.getLogger("inspector.streams.kafka")

REFUSALS = (
    kafka_errors.CommitFailedError,
    kafka_errors.IllegalGenerationError,
    kafka_errors.UnknownMemberIdError,
    kafka_errors.FencedInstanceIdError,
    kafka_errors.ProducerFencedError,
    kafka_errors.InvalidProducerEpochError,
)
"""Errors after which another worker may own the shards."""


class _UnansweredError(kafka_errors.CommitFailedError):  # type: ignore[misc]
    """The commit was requested, and its result is unknown."""


class KafkaSink:
    """`streams.log.Sink` by transactions.

    A failure before the commit request is retried with the same outputs. A commit that was requested and not confirmed
    is in doubt: it counts as refused, and the source determines its result from the topics (see `Takeover`).
    """

    def __init__(
        self, settings: KafkaSettings, session: Session, step: Step = no_step, clock: LogClock | None = None
    ) -> None:
        self._settings = settings
        self._session = session
        self._step = step
        self._clock = clock or LogClock()
        self._monitor = connection_monitor(settings)
        self._producer: BoundedProducer | None = open_transactional_producer(settings)
        """None after a failure, until the next commit."""

    def commit(
        self, outputs: Sequence[Output], positions: Mapping[TopicPartition, Position], epoch: object
    ) -> Mapping[TopicPartition, int]:
        self._check(outputs, positions)
        while True:
            try:
                return self._transact(outputs, positions, epoch)
            except REFUSALS as exc:
                raise self._refused(exc) from exc
            except FATAL_ERRORS as exc:
                self._discard_producer()
                raise fatal_error(self._settings, exc) from exc
            except kafka_errors.KafkaError as exc:
                self._discard_producer()  # a new producer ends the transaction; an abort may wait for a lost connection
                time.sleep(self._monitor.failed(self._cause(exc, outputs)))

    def _cause(self, error: kafka_errors.KafkaError, outputs: Sequence[Output]) -> object:
        """Why a commit failed: the error, or missing topics, which are looked up once per outage."""
        if self._monitor.is_away or connection_problem(self._settings):
            return error
        missing = missing_topics(self._settings, sorted({output.topic for output in outputs}))
        return f"{', '.join(missing)} missing: create them with 'inspector topics create'" if missing else error

    def close(self) -> None:
        """Leaves an open transaction to its timeout or to the successor."""
        self._discard_producer()

    def _transact(
        self, outputs: Sequence[Output], positions: Mapping[TopicPartition, Position], epoch: object
    ) -> Mapping[TopicPartition, int]:
        if getattr(epoch, "generation_id", -1) < 0:  # the broker does not check an epoch without a generation
            raise kafka_errors.CommitFailedError("the worker is not a member of its group")
        if self._producer is None:
            self._producer = open_transactional_producer(self._settings)
        producer = self._producer
        self._step("before begin")
        producer.begin_transaction()
        ends = self._produce(producer, outputs)
        self._step("after produce")
        producer.send_offsets_to_transaction(
            {
                KafkaPartition(*at): OffsetAndMetadata(position.offset, position.memo, -1)
                for at, position in positions.items()
            },
            epoch,
        )
        self._step("after send_offsets")
        self._step("before commit")
        self._finish(producer)
        self._monitor.worked()
        return ends

    def _produce(self, producer: BoundedProducer, outputs: Sequence[Output]) -> Mapping[TopicPartition, int]:
        sent_ns = self._clock.monotonic_ns()
        futures = [
            producer.send(
                output.topic,
                value=output.value,
                key=output.key,
                headers=headers_of(output.type),
                partition=output.partition,
            )
            for output in outputs
        ]
        producer.flush()
        answered_ns = self._clock.monotonic_ns()
        ends: dict[TopicPartition, int] = {}
        for future in futures:
            written = future.get()
            at = TopicPartition(written.topic, written.partition)
            ends[at] = max(ends.get(at, 0), written.offset + 1)
            self._clock.wrote(sent_ns, written.timestamp * 1_000_000, answered_ns)
        return ends

    def _finish(self, producer: BoundedProducer) -> None:
        try:
            producer.commit_transaction()
        except kafka_errors.KafkaTimeoutError as exc:
            raise _UnansweredError(f"the commit is in doubt: {exc!r}") from exc
        except kafka_errors.KafkaError as exc:
            raise kafka_errors.CommitFailedError(f"the commit is in doubt: {exc!r}") from exc

    def _refused(self, error: kafka_errors.KafkaError) -> CommitRefusedError:
        self._session.refused = True
        self._session.replaced = isinstance(error, kafka_errors.FencedInstanceIdError)
        if isinstance(error, kafka_errors.ProducerFencedError | kafka_errors.InvalidProducerEpochError):
            self._discard_producer()
        elif isinstance(
            error, _UnansweredError
        ):  # the takeover waits for the end of the transaction: a new producer ends it
            self._discard_producer()
            self._producer = open_transactional_producer(self._settings)
        else:
            self._abort()
        log.warning(
            "A commit was refused (%r): another worker may own the partitions now. Discarding uncommitted results; "
            "the owner of the partitions computes them again.",
            error,
        )
        return CommitRefusedError(f"the commit was refused ({error!r}): all state of the shards must be dropped")

    def _abort(self) -> None:
        if self._producer is None:
            return
        try:
            self._producer.abort_transaction()
        except kafka_errors.KafkaError:
            self._discard_producer()

    def _discard_producer(self) -> None:
        if self._producer is not None:
            discard(self._producer)
        self._producer = None

    def _check(self, outputs: Sequence[Output], positions: Mapping[TopicPartition, Position]) -> None:
        """Raises for outputs and memos that are too large: the broker would refuse them at every attempt."""
        limit = self._settings.max_record_bytes
        for output in outputs:
            if len(output.value) > limit:
                raise LogError(
                    f"a record of {len(output.value)} bytes for {output.topic} is larger than max_record_bytes = "
                    f"{limit}: raise it here, at the topics and at the broker"
                )
        for at, position in positions.items():
            if len(position.memo.encode()) > MAX_MEMO_BYTES:
                raise ValueError(f"the memo of {at} has {len(position.memo)} bytes, expected at most {MAX_MEMO_BYTES}")
