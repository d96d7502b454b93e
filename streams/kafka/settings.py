"""Settings of a Kafka cluster and of this worker in it, and the client options that follow from them."""

import ssl
from dataclasses import dataclass, field
from threading import Event
from typing import Literal

from streams.kafka.selector import QuietSelector
from streams.log import LogError
from streams.records import MAX_RECORD_BYTES

RECORD_OVERHEAD_BYTES = 64 * 1024
"""Room for key, headers and batch framing in addition to the value."""
FETCH_BYTES = 16 * 2**20
"""Limit of one broker answer (a larger single record still comes)."""

METADATA_MAX_AGE_MS = 10_000
"""After this time consumers, including the group's leader, know new partitions and recreated topics."""


@dataclass(frozen=True, slots=True)
class KafkaSecurity:
    """Encryption and login towards the brokers."""

    protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = "plaintext"
    ca_file: str | None = None
    """Authorities that the brokers' certificates are checked against, PEM; without it those of the system."""
    cert_file: str | None = None
    """This client's certificate, PEM, where brokers require one."""
    key_file: str | None = None
    """Its key, PEM, not encrypted."""
    mechanism: Literal["SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    """How the password is proven."""
    username: str | None = None
    """The broker's user."""
    password: str | None = field(default=None, repr=False)

    @property
    def encrypted(self) -> bool:
        return self.protocol in ("ssl", "sasl_ssl")

    def ssl_context(self) -> ssl.SSLContext | None:
        """None without TLS. Raises LogError naming the file that cannot be used."""
        if not self.encrypted:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.cert_file is not None:
                context.load_cert_chain(self.cert_file, self.key_file)
        except OSError as exc:  # ssl.SSLError is one
            files = ", ".join(str(name) for name in (self.ca_file, self.cert_file, self.key_file) if name)
            raise LogError(
                f"TLS files {files} cannot be used ({exc}): give PEM files that this process may read"
            ) from exc
        return context


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """One cluster and this worker's name in it."""

    bootstrap_servers: tuple[str, ...] = ("localhost:9092",)
    """Brokers to connect to first, as host:port; they name the others."""
    group: str = "inspector"
    """Consumer group of the workers, and first part of their transactional ids."""
    worker: str = "worker-1"
    """Unique in the group and the same after a restart: the worker then continues within seconds."""
    security: KafkaSecurity = KafkaSecurity()
    start_at: Literal["earliest", "live"] = "earliest"
    """Where a group without committed offsets begins: at the oldest record or with new ones."""
    reread_s: float = 180.0
    """After a loss of offsets, input is read again from this long before the last outputs."""
    max_record_bytes: int = MAX_RECORD_BYTES
    max_poll_records: int = 500
    session_timeout_s: float = 10.0
    """A worker that is silent for this long loses its partitions."""
    transaction_timeout_s: float = 10.0
    """The broker ends a transaction that is open for this long."""
    gather_s: float = 0.015
    """While records come in a stream, a broker collects them for this long before it answers a worker: verdicts come
    later by at most this, and fewer answers cost brokers and workers less. 0 asks for every record at once."""
    linger_s: float = 0.005
    """A producer of cameras, sensors and replay collects records for this long before it sends them."""
    request_timeout_ms: int = 30_000
    connect_timeout_s: float = 5.0
    stop: Event | None = field(default=None, compare=False, repr=False)
    """Set when the program must end: opening a client then no longer waits for the cluster."""
    patience_s: float | None = None
    """Opening a client fails when the cluster has not answered for this long; None waits without a limit."""

    @property
    def transactional_id(self) -> str:
        return f"{self.group}.{self.worker}"

    @property
    def max_message_bytes(self) -> int:
        """Largest record batch on the wire: the topic's `max.message.bytes`."""
        return self.max_record_bytes + RECORD_OVERHEAD_BYTES


def client_options(settings: KafkaSettings) -> dict[str, object]:
    """Options of every client of kafka-python."""
    security = settings.security
    options: dict[str, object] = {
        "bootstrap_servers": list(settings.bootstrap_servers),
        "security_protocol": security.protocol.upper(),
        "ssl_context": security.ssl_context(),
        "request_timeout_ms": settings.request_timeout_ms,
        "bootstrap_timeout_ms": int(settings.connect_timeout_s * 1000),
        "reconnect_backoff_ms": 50,
        "reconnect_backoff_max_ms": 2_000,
        "selector": QuietSelector,
    }
    if security.protocol.startswith("sasl"):
        options["sasl_mechanism"] = security.mechanism
        options["sasl_plain_username"] = security.username
        options["sasl_plain_password"] = security.password
    return options


def reader_options(settings: KafkaSettings) -> dict[str, object]:
    """Options of every consumer: committed records only, no automatic offsets, bounded answers."""
    return client_options(settings) | {
        "isolation_level": "read_committed",
        "auto_offset_reset": "none",
        "enable_auto_commit": False,
        "allow_auto_create_topics": False,
        "fetch_max_bytes": max(FETCH_BYTES, settings.max_message_bytes),
        "max_partition_fetch_bytes": settings.max_message_bytes,
        "fetch_max_wait_ms": 100,
        "metadata_max_age_ms": METADATA_MAX_AGE_MS,
        "retry_backoff_ms": 50,
        "max_poll_records": settings.max_poll_records,
        "metrics_enabled": False,
    }


def writer_options(settings: KafkaSettings) -> dict[str, object]:
    """Options of every producer: durable, in order, without duplicates."""
    return client_options(settings) | {
        "acks": "all",
        "enable_idempotence": True,
        "allow_auto_create_topics": False,
        "max_request_size": settings.max_message_bytes,
        "batch_size": 256 * 1024,
        "retry_backoff_ms": 5,
        "metrics_enabled": False,
    }
