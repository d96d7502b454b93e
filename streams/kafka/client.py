"""Opens clients of kafka-python and says in one line each when the cluster goes away and comes back.

Knows no topic.
"""

import logging
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from threading import Thread
from typing import TypeVar

from kafka import KafkaAdminClient, KafkaProducer
from kafka import errors as kafka_errors
from kafka.coordinator.assignors.range import RangePartitionAssignor

from streams.kafka.answers import LOG_APPEND_TIME, Message, UnreadableMessage
from streams.kafka.fetching import SteadyConsumer
from streams.kafka.settings import KafkaSettings, client_options, reader_options, writer_options
from streams.kafka.transactional import BoundedProducer, PatientClient
from streams.log import LogError, LogStoppedError
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
"""What no waiting mends."""

_LOOK_S = 0.1
_LAST_S = 1.0
"""An attempt under way may take this long once the program is to end: the last commit may need its client."""
_DELAYS_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


def quiet_client_logs() -> None:
    """Silences kafka-python's own logger, which floods during an outage; `ConnectionMonitor` says what matters."""
    logging.getLogger("kafka").setLevel(logging.CRITICAL)


def fatal(settings: KafkaSettings, error: kafka_errors.KafkaError) -> LogError:
    """What an error of FATAL_ERRORS means to a person."""
    where = ",".join(settings.bootstrap_servers)
    if isinstance(error, kafka_errors.FencedInstanceIdError):
        return LogError(
            f"another process works as '{settings.worker}' in group '{settings.group}' and has taken over: "
            "give every worker a name of its own"
        )
    if isinstance(error, kafka_errors.SaslAuthenticationFailedError):
        return LogError(f"Kafka at {where} refuses user '{settings.security.username}': check user name and password")
    return LogError(f"Kafka at {where} refuses this client for good: {type(error).__name__}: {error}")


class ConnectionMonitor:
    """Whether the cluster answers; logs the two moments when that changes, and makes delays grow in between."""

    def __init__(self, settings: KafkaSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._away_since: float | None = None
        self._failures = 0

    @property
    def away(self) -> bool:
        return self._away_since is not None

    def failed(self, reason: object) -> float:
        """Notes a failure; returns how long to wait before the next attempt, in seconds."""
        if self._away_since is None:
            self._away_since = self._clock()
            where = ",".join(self._settings.bootstrap_servers)
            said = reason if isinstance(reason, str) else repr(reason)
            if cause := connection_problem(self._settings):
                log.warning("Kafka at %s does not answer (%s): waiting for it", where, cause)
            else:
                log.warning("Kafka at %s answers, but does not do what is asked (%s): trying again", where, said)
        delay_s = _DELAYS_S[min(self._failures, len(_DELAYS_S) - 1)]
        self._failures += 1
        return delay_s

    def worked(self) -> None:
        if self._away_since is not None:
            log.warning("Kafka answers again after %.1f s", self._clock() - self._away_since)
        self._away_since = None
        self._failures = 0


def connection_problem(settings: KafkaSettings) -> str | None:
    """Why no bootstrap server can be connected to, in the words of the system; None when one can."""
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


def _opened(settings: KafkaSettings, open_client: Callable[[], Client]) -> Client:
    """Opens a client, waiting for the cluster as long as it takes. Raises LogError for what waiting does not mend,
    LogStoppedError where the program is to end meanwhile.

    A connection to a machine that is off, or a broker that hangs, keeps an attempt for many seconds, and nothing ends
    it: the attempts are made in a thread of their own, which ends with the process.
    """
    if settings.stop is None:
        return _waited_for(settings, open_client)
    opened: Future[Client] = Future()

    def run() -> None:
        try:
            opened.set_result(_waited_for(settings, open_client))
        except BaseException as exc:  # noqa: BLE001 - raised again below
            opened.set_exception(exc)

    Thread(target=run, name="opening", daemon=True).start()
    while not settings.stop.is_set():
        wait([opened], _LOOK_S)
        if opened.done():
            return opened.result()
    wait([opened], _LAST_S)
    if not opened.done():
        raise _stopped(settings)
    return opened.result()


def _stopped(settings: KafkaSettings) -> LogStoppedError:
    where = ",".join(settings.bootstrap_servers)
    return LogStoppedError(
        f"told to stop while Kafka at {where} did not answer; what is not committed will be read again"
    )


def _waited_for(settings: KafkaSettings, open_client: Callable[[], Client]) -> Client:
    reach = ConnectionMonitor(settings)
    while True:
        reason = connection_problem(settings)
        if reason is None:
            try:
                client = open_client()
            except FATAL_ERRORS as exc:
                raise fatal(settings, exc) from exc
            except kafka_errors.KafkaError as exc:
                reason = repr(exc) + _doubt(settings)
            else:
                reach.worked()
                return client
        delay_s = reach.failed(reason)
        if settings.stop is None:
            time.sleep(delay_s)
        elif settings.stop.wait(delay_s):
            raise _stopped(settings)


def _doubt(settings: KafkaSettings) -> str:
    """kafka-python reports a refused login at start only as a timeout."""
    if not settings.security.protocol.startswith("sasl"):
        return ""
    return f"; the login of user '{settings.security.username}' may have been refused, check name and password"


def open_group_consumer(settings: KafkaSettings) -> SteadyConsumer:
    """A static member of the workers' group."""
    options = reader_options(settings) | {
        "group_id": settings.group,
        "group_instance_id": settings.worker,
        "client_id": settings.worker,
        "session_timeout_ms": settings.session_timeout_ms,
        "heartbeat_interval_ms": min(1000, settings.session_timeout_ms // 4),
        "partition_assignment_strategy": (RangePartitionAssignor,),
    }
    return _opened(settings, lambda: SteadyConsumer(**options))


def open_reader(settings: KafkaSettings) -> SteadyConsumer:
    """A consumer of no group, to be assigned partitions by hand."""
    options = reader_options(settings) | {"client_id": f"{settings.worker}-reader"}
    return _opened(settings, lambda: SteadyConsumer(**options))


def open_producer(settings: KafkaSettings) -> KafkaProducer:
    """A producer outside of any transaction that waits out an outage of weeks."""
    options = writer_options(settings) | {
        "client_id": f"{settings.worker}-publisher",
        "linger_ms": 5,
        "delivery_timeout_ms": 2**31 - 1,
        "max_block_ms": 2_000,
    }
    return _opened(settings, lambda: KafkaProducer(**options))


def open_transactional_producer(settings: KafkaSettings) -> BoundedProducer:
    """The worker's producer; opening it ends whatever transaction its predecessor of the same name left."""
    options = writer_options(settings) | {
        "client_id": f"{settings.worker}-sink",
        "transactional_id": settings.transactional_id,
        "transaction_timeout_ms": settings.transaction_timeout_ms,
        "max_block_ms": settings.transaction_timeout_ms,
        "kafka_client": PatientClient,
    }

    def ready() -> BoundedProducer:
        producer = BoundedProducer(**options)
        try:
            producer.init_transactions()
        except kafka_errors.KafkaError:
            discard(producer)
            raise
        return producer

    return _opened(settings, ready)


def open_admin(settings: KafkaSettings) -> KafkaAdminClient:
    return _opened(settings, lambda: KafkaAdminClient(**client_options(settings), client_id=f"{settings.worker}-admin"))


def discard(producer: KafkaProducer) -> None:
    """Closes a producer without waiting for what it still holds."""
    try:
        producer.close(timeout=0)
    except kafka_errors.KafkaTimeoutError:  # it holds records: end its thread all the same
        producer._sender.force_close()  # noqa: SLF001 - kafka-python offers no other way


def record_of(message: Message) -> Record:
    """A record as the rest of the product knows it."""
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
