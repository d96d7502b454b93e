"""Settings of the gateway: address, TLS, limits. Their defaults and meanings are stated here only."""

from dataclasses import dataclass

from inspector.access.settings import AccessSettings
from inspector.gateway.certificates import TlsFiles
from streams.decode.limits import Limits


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """One set for a whole gateway. Limits hold for all clients together unless they say otherwise."""

    listen: str = "127.0.0.1:50051"
    """Where clients find the gateway, as host:port."""
    share_port: bool = False
    """Lets several gateway processes of one machine listen on this address, all with this setting; the system spreads
    connections over them. Each has the limits below for itself."""
    tls: TlsFiles | None = None
    """Encryption towards clients; none without these files."""
    allow_insecure: bool = False
    """Allows other hosts to connect without TLS: only inside a network that is protected otherwise."""
    access: AccessSettings = AccessSettings()  # noqa: RUF009 - frozen
    """Who may call what."""
    max_record_bytes: int = Limits().max_record_bytes
    request_timeout_s: float = 10.0
    """A call is ended when its request is not complete after this time."""
    unread_bytes: int = 128 * 2**20
    """Memory for incomplete `Inspect` requests, each counted at the largest size allowed; all other calls together may
    take the same amount."""
    request_wait_s: float = 2.0
    """An `Inspect` request waits this long at its sender for room to be read."""
    max_answers: int = 64
    """Calls answered at the same time, not counting watchers and probes."""
    max_probes: int = 32
    """Health and reflection calls at the same time."""
    max_connections: int = 4096
    """Connections of all hosts together."""
    max_connections_per_host: int = 128
    """Connections of one host. Beyond it the least used connections are closed."""
    feedback_per_s: float = 20.0
    """Feedback messages a second from all clients; one host may send half of them."""
    max_sign_ins: int = 64
    """Calls whose credentials are checked at the same time."""
    recheck_s: float = 300.0
    """A watcher with credentials is asked for them again after this time: it connects again and misses nothing."""
    lookup_s: float = 3.0
    """How long `GetVerdict` may search the log for a verdict that is not in the index."""
    max_watchers: int = 64
    """Watchers connected at the same time."""
    max_readers: int = 4
    """Watchers that read history from the log at the same time."""
    reader_wait_s: float = 5.0
    """A watcher waits this long for its turn to read history."""
    reader_patience_s: float = 10.0
    """After this time a watcher that reads history yields to a waiting one and resumes later with its token."""
    send_timeout_s: float = 10.0
    """A watcher that accepts no message for this long is disconnected."""
    heartbeat_s: float = 2.0
    """A watcher without new verdicts gets an empty message this often."""
    ring_bytes: int = 64 * 2**20
    """Memory for the latest verdicts, which watchers are served from. Their messages take an eighth more."""
    ring_age_s: float = 600.0
    """Older verdicts are removed from that memory."""
    ring_count: int = 100_000
    index_bytes: int = 64 * 2**20
    """Memory for the index that `GetVerdict` uses."""
    index_age_s: float = 3600.0
    """Older verdicts are removed from the index; `GetVerdict` then searches the log."""
    read_back_s: float = 600.0
    """At its start the gateway reads the verdicts of this period from the log."""
    inspect_concurrency: int = 2
    """Threads that judge `Inspect` calls."""
    inspect_batch: int = 8
    """`Inspect` calls that a thread judges at once, where so many wait; nobody waits for others to come."""
    inspect_queue: int = 64
    """`Inspect` calls that may wait for their turn."""
    inspect_queue_bytes: int = 64 * 2**20
    """Memory for the requests of these calls."""
    poll_s: float = 0.2
    max_outage_delay_s: float = 5.0

    @property
    def max_message_bytes(self) -> int:
        """Largest gRPC message: a record and its envelope."""
        return self.max_record_bytes + 256 * 2**10

    @property
    def max_unread(self) -> int:
        """Requests read at the same time. Each takes three times its size while it is read: in the transport, as one
        buffer, and in the interpreter (measured: 15 of 8 MiB took 410 MB)."""
        return max(2, self.unread_bytes // (3 * self.max_message_bytes))
