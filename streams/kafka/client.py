"""Opens clients of kafka-python; logs one line when the cluster becomes unreachable and one when it is back."""

import logging
import math
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import replace
from functools import lru_cache
from threading import Event, Thread
from typing import TypeVar

from kafka import KafkaAdminClient, KafkaProducer
from kafka import errors as kafka_errors
from kafka.coordinator.assignors.range import RangePartitionAssignor

from streams.kafka.answers import LOG_APPEND_TIME, Message, UnreadableMessage
from streams.kafka.fetching import AT_ONCE, Gathering, ResilientConsumer
from streams.kafka.settings import KafkaSettings, client_options, reader_options, writer_options
from streams.kafka.transactional import BoundedProducer, PatientClient
from streams.log import LogError, LogStoppedError
from streams.outage import Outage, OutageLines, OutagePolicy, SharedOutage
from streams.records import MAX_TYPE, TYPE_HEADER, Record

log = logging.getLogger("inspector.streams.kafka")

Client = TypeVar("Client")

FATAL_ERRORS = (
    kafka_errors.AuthorizationError,
    kafka_errors.SaslAuthenticationFailedError,
    kafka_errors.UnsupportedSaslMechanismError,
    kafka_errors.UnsupportedVersionError,
    kafka_errors.KafkaConfigurationError,
    kafka_errors.InconsistentGroupProtocolError,
    kafka_errors.InvalidSessionTimeoutError,
    kafka_errors.InvalidGroupIdError,
    kafka_errors.GroupMaxSizeReachedError,
    kafka_errors.FencedInstanceIdError,
)
"""Errors that waiting cannot resolve."""

_CHECK_STOP_EVERY_S = 0.1
_LAST_LOOK_S = 1.0
_LAST_ATTEMPT_S = 1.0
"""A running attempt may take this long after the program is told to stop: the last commit may need its client."""


def fatal_error(settings: KafkaSettings, error: kafka_errors.KafkaError) -> LogError:
    """Explains an error of FATAL_ERRORS."""
    servers = ",".join(settings.bootstrap_servers)
    if isinstance(error, kafka_errors.FencedInstanceIdError):
        return LogError(
            f"another process named '{settings.worker}' has taken over in group '{settings.group}': give every worker "
            "a unique name (worker.name)"
        )
    if isinstance(error, kafka_errors.SaslAuthenticationFailedError):
        return LogError(f"Kafka at {servers} rejects user '{settings.security.username}': check user name and password")
    return LogError(
        f"Kafka at {servers} rejects this client ({type(error).__name__}: {error}): check the settings in [log] and "
        "the rights of this user on the brokers"
    )


def connection_monitor(settings: KafkaSettings) -> Outage:
    """Whether the cluster answers. All clients of a process together say once a minute that it does not."""
    servers = ",".join(settings.bootstrap_servers)

    def begins(reason: object) -> str:
        if cause := connection_problem(settings):
            limit = "until it does" if settings.patience_s is None else f"for {settings.patience_s:g} s"
            return f"Kafka at {servers} does not answer ({cause}). Retrying {limit}: check brokers and network."
        text = reason if isinstance(reason, str) else repr(reason)
        return f"Kafka at {servers} accepts connections, but a request failed: {text}. Retrying."

    lines = OutageLines(log, begins, "Kafka answers again.")
    return Outage(lines, OutagePolicy(0.1, 5.0), shared=_shared(servers))


@lru_cache(maxsize=64)
def _shared(servers: str) -> SharedOutage:
    """Of all clients of this process: a floor has seven and more."""
    return SharedOutage()


def connection_problem(settings: KafkaSettings) -> str | None:
    """The system's reasons why no bootstrap server accepts a connection; None when one does."""
    context = settings.security.ssl_context()
    reasons = []
    for server in settings.bootstrap_servers:
        host, _, port = server.rpartition(":")
        try:
            with socket.create_connection((host.strip("[]"), int(port)), settings.connect_timeout_s) as plain:
                if context is not None:
                    context.wrap_socket(plain, server_hostname=host.strip("[]")).close()
        except OSError as exc:
            reasons.append(f"{server}: {exc}")
        except ValueError as exc:
            raise LogError(f"bootstrap server '{server}' is not of the form host:port") from exc
        else:
            return None
    return "; ".join(reasons)


def _open(settings: KafkaSettings, open_client: Callable[[], Client]) -> Client:
    """Opens a client; waits for the cluster, for `patience_s` at most. Raises LogError where waiting cannot help or was
    in vain, and LogStoppedError when the program is told to stop meanwhile.

    An attempt to reach a machine that is off, or a broker that hangs, blocks for many seconds and cannot be cancelled.
    A daemon thread makes the attempts, so that the program can end.
    """
    if settings.stop is None and settings.patience_s is None:
        return _open_with_retries(settings, open_client)
    stop, ended = settings.stop or Event(), Event()
    limit_s = time.monotonic() + (settings.patience_s or math.inf)
    attempts = replace(settings, stop=ended)
    opened: Future[Client] = Future()

    def run() -> None:
        try:
            opened.set_result(_open_with_retries(attempts, open_client))
        except BaseException as exc:  # noqa: BLE001 - raised again below
            opened.set_exception(exc)

    Thread(target=run, name="opening", daemon=True).start()
    try:
        while not stop.is_set():
            wait([opened], _CHECK_STOP_EVERY_S)
            if opened.done():
                return opened.result()
            if time.monotonic() >= limit_s:
                raise _in_vain(settings)
        ended.set()
        wait([opened], _LAST_ATTEMPT_S)
        if not opened.done():
            raise _stopped(settings)
        return opened.result()
    finally:
        ended.set()


def _in_vain(settings: KafkaSettings) -> LogError:
    servers = ",".join(settings.bootstrap_servers)
    cause = (
        connection_problem(replace(settings, connect_timeout_s=_LAST_LOOK_S))
        or "it accepts connections and answers no request"
    )
    return LogError(
        f"Kafka at {servers} has not answered for {settings.patience_s:g} s ({cause}): start the brokers, or correct "
        "log.bootstrap_servers"
    )


def _stopped(settings: KafkaSettings) -> LogStoppedError:
    servers = ",".join(settings.bootstrap_servers)
    return LogStoppedError(
        f"stopped while Kafka at {servers} did not answer; input without a commit is read again after the next start"
    )


def _open_with_retries(settings: KafkaSettings, open_client: Callable[[], Client]) -> Client:
    monitor, stop = connection_monitor(settings), settings.stop or Event()
    while True:
        reason = connection_problem(settings)
        if reason is None:
            try:
                client = open_client()
            except FATAL_ERRORS as exc:
                raise fatal_error(settings, exc) from exc
            except kafka_errors.KafkaError as exc:
                reason = repr(exc) + _login_hint(settings)
            else:
                monitor.worked()
                return client
        if stop.is_set() or stop.wait(monitor.failed(reason)):  # once nobody waits, there is nothing to log
            raise _stopped(settings)


def _login_hint(settings: KafkaSettings) -> str:
    """kafka-python reports a rejected login only as a timeout while it starts."""
    if not settings.security.protocol.startswith("sasl"):
        return ""
    return f"; the brokers may have rejected user '{settings.security.username}': check name and password"


def open_group_consumer(settings: KafkaSettings) -> ResilientConsumer:
    """A static member of the workers' group."""
    options = reader_options(settings) | {
        "group_id": settings.group,
        "group_instance_id": settings.worker,
        "client_id": settings.worker,
        "session_timeout_ms": round(settings.session_timeout_s * 1000),
        "heartbeat_interval_ms": min(1000, round(settings.session_timeout_s * 250)),
        "partition_assignment_strategy": (RangePartitionAssignor,),
    }
    gathering = Gathering(round(settings.gather_s * 1000))
    return _open(settings, lambda: ResilientConsumer(gathering, **options))


def open_reader(settings: KafkaSettings, **changes: int) -> ResilientConsumer:
    """A consumer without a group, for partitions that are assigned by hand. `changes` are options of kafka-python."""
    options = reader_options(settings) | {"client_id": f"{settings.worker}-reader"} | changes
    return _open(settings, lambda: ResilientConsumer(AT_ONCE, **options))


def open_producer(settings: KafkaSettings) -> KafkaProducer:
    """A producer without transactions that survives an outage of weeks."""
    options = writer_options(settings) | {
        "client_id": f"{settings.worker}-publisher",
        "linger_ms": round(settings.linger_s * 1000),
        "delivery_timeout_ms": 2**31 - 1,
        "max_block_ms": 2_000,
    }
    return _open(settings, lambda: KafkaProducer(**options))


def open_transactional_producer(settings: KafkaSettings) -> BoundedProducer:
    """The worker's producer; opening it ends a transaction that a predecessor of the same name left open."""
    options = writer_options(settings) | {
        "client_id": f"{settings.worker}-sink",
        "transactional_id": settings.transactional_id,
        "transaction_timeout_ms": round(settings.transaction_timeout_s * 1000),
        "max_block_ms": round(settings.transaction_timeout_s * 1000),
        "kafka_client": PatientClient,
    }

    def open_client() -> BoundedProducer:
        producer = BoundedProducer(**options)
        try:
            producer.init_transactions()
        except kafka_errors.KafkaError:
            discard(producer)
            raise
        return producer

    return _open(settings, open_client)


def open_admin(settings: KafkaSettings) -> KafkaAdminClient:
    return _open(settings, lambda: KafkaAdminClient(**client_options(settings), client_id=f"{settings.worker}-admin"))


def discard(producer: KafkaProducer) -> None:
    """Closes a producer without waiting for its unsent records."""
    try:
        producer.close(timeout=0)
    except kafka_errors.KafkaTimeoutError:  # unsent records: end its thread anyway
        producer._sender.force_close()  # noqa: SLF001 - kafka-python offers no other way


def record_of(message: Message) -> Record:
    """Converts a message of kafka-python."""
    append_ns, is_stamped_by_log = message.timestamp * 1_000_000, message.timestamp_type == LOG_APPEND_TIME
    if isinstance(message, UnreadableMessage):
        topic, partition, offset, *_, detail, raw = message
        return Record(topic, partition, offset, b"", raw, "", append_ns, detail, is_stamped_by_log)
    kind = next((value for name, value in message.headers if name == TYPE_HEADER), b"")
    return Record(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=message.key or b"",
        value=message.value or b"",
        type=(kind or b"")[:MAX_TYPE].decode("utf-8", "replace"),
        append_ns=append_ns,
        is_stamped_by_log=is_stamped_by_log,
    )


def headers_of(kind: str) -> list[tuple[str, bytes]]:
    return [(TYPE_HEADER, kind.encode())]
