"""Says how to reach a Kafka cluster and how this process works in it; makes the client options from that."""

import ssl
from dataclasses import dataclass, field
from threading import Event
from typing import Literal

from streams.log import LogError

RECORD_OVERHEAD_BYTES = 64 * 1024
"""Room beside a value: key, headers, batch framing."""
FETCH_BYTES = 16 * 2**20
"""One answer of a broker holds at most this much (or one larger record)."""

METADATA_MAX_AGE_MS = 10_000
"""By then a consumer, and the group's leader among them, knows of new partitions and of recreated topics."""


@dataclass(frozen=True, slots=True)
class KafkaSecurity:
    """Transport and login. `ca_file` None trusts the system's authorities; a client certificate is optional."""

    protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = "plaintext"
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    mechanism: Literal["SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    username: str | None = None
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
                f"TLS files {files} cannot be used: {exc}: give PEM files that this process may read"
            ) from exc
        return context


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """One cluster and this worker's name in it."""

    bootstrap_servers: tuple[str, ...] = ("localhost:9092",)
    group: str = "inspector"
    worker: str = "worker-1"
    """Stable over restarts and unique in the group: a restart under the same name goes on within seconds."""
    security: KafkaSecurity = KafkaSecurity()
    start_at: Literal["earliest", "live"] = "earliest"
    """Where a group without committed offsets begins."""
    reread_s: float = 180.0
    """Where a group has lost its offsets: how long before its last outputs its input is read again."""
    max_record_bytes: int = 8 * 2**20
    max_poll_records: int = 500
    session_timeout_ms: int = 10_000
    transaction_timeout_ms: int = 10_000
    request_timeout_ms: int = 30_000
    connect_timeout_s: float = 5.0
    stop: Event | None = field(default=None, compare=False, repr=False)
    """Set when the program is to end: from then on no client that is opened waits for the cluster."""

    @property
    def transactional_id(self) -> str:
        return f"{self.group}.{self.worker}"

    @property
    def max_message_bytes(self) -> int:
        """Largest record batch on the wire: the topic's `max.message.bytes`."""
        return self.max_record_bytes + RECORD_OVERHEAD_BYTES


def client_options(settings: KafkaSettings) -> dict[str, object]:
    """Options that every client of kafka-python takes."""
    security = settings.security
    options: dict[str, object] = {
        "bootstrap_servers": list(settings.bootstrap_servers),
        "security_protocol": security.protocol.upper(),
        "ssl_context": security.ssl_context(),
        "request_timeout_ms": settings.request_timeout_ms,
        "bootstrap_timeout_ms": int(settings.connect_timeout_s * 1000),
        "reconnect_backoff_ms": 50,
        "reconnect_backoff_max_ms": 2_000,
    }
    if security.protocol.startswith("sasl"):
        options["sasl_mechanism"] = security.mechanism
        options["sasl_plain_username"] = security.username
        options["sasl_plain_password"] = security.password
    return options


def reader_options(settings: KafkaSettings) -> dict[str, object]:
    """Options of every consumer: committed records only, no surprises, bounded answers."""
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
    """Options of every producer: durable, in order, without doubles."""
    return client_options(settings) | {
        "acks": "all",
        "enable_idempotence": True,
        "allow_auto_create_topics": False,
        "max_request_size": settings.max_message_bytes,
        "batch_size": 256 * 1024,
        "retry_backoff_ms": 5,
        "metrics_enabled": False,
    }
