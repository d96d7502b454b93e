"""Says how the gateway serves: addresses, bounds, TLS. Knows no file format of the configuration."""

import ipaddress
from dataclasses import dataclass

from inspector.gateway.certificates import TlsFiles


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """One set for a whole gateway. Bounds are per gateway, not per watcher, unless they say so."""

    listen: str = "127.0.0.1:50051"
    """Where clients find the gateway, as host:port."""
    tls: TlsFiles | None = None
    allow_insecure: bool = False
    """Serves without TLS off loopback: only inside a network that is protected otherwise."""
    max_record_bytes: int = 8 * 2**20
    request_timeout_s: float = 10.0
    """A call whose request is not whole after this time is ended."""
    unread_bytes: int = 128 * 2**20
    """What requests of `Inspect` that are not whole yet may hold together, all at their largest; the same again holds
    for all other calls."""
    request_wait_s: float = 2.0
    """A request of `Inspect` waits with its sender for this long until there is room to read it."""
    max_answers: int = 64
    """Calls, watchers and probes aside, that are being answered at the same time."""
    max_probes: int = 32
    """Calls of health and reflection at the same time."""
    max_connections: int = 4096
    """Connections of all hosts together."""
    max_connections_per_host: int = 128
    feedback_per_s: float = 20.0
    """Findings a second, half of them from one host."""
    lookup_s: float = 3.0
    """How long the log is read for a verdict that the index does not know."""
    max_watchers: int = 64
    """Watchers connected at the same time."""
    max_readers: int = 4
    """Watchers that read the log on their own at the same time, to be positioned or for history."""
    reader_wait_s: float = 5.0
    """A watcher waits for its turn to read for this long."""
    reader_patience_s: float = 10.0
    """A watcher that has read for this long yields its place to one that waits; it resumes with its token."""
    send_timeout_s: float = 10.0
    """A watcher that does not take a message for this long is cut off."""
    sign_of_life_s: float = 2.0
    ring_bytes: int = 64 * 2**20
    """Memory of the latest verdicts, from which watchers are served."""
    ring_age_s: float = 600.0
    """Older verdicts leave that memory."""
    ring_count: int = 100_000
    index_bytes: int = 64 * 2**20
    """Memory of the index that look-ups use."""
    index_age_s: float = 3600.0
    """Older verdicts leave the index; a look-up then reads the log."""
    read_back_s: float = 600.0
    """At its start the gateway reads the verdicts of this time back."""
    inspect_concurrency: int = 2
    """Calls of `Inspect` that are judged at the same time."""
    inspect_queue: int = 8
    """Calls of `Inspect` that may wait for their turn."""
    poll_s: float = 0.2
    max_outage_delay_s: float = 5.0

    @property
    def max_message_bytes(self) -> int:
        """Largest gRPC message: a record's payload and room for what surrounds it."""
        return self.max_record_bytes + 256 * 2**10

    @property
    def max_unread(self) -> int:
        """Requests that may be on their way at the same time. While one is read it takes three times its size: in the
        transport, in one piece, and in the interpreter (measured: 15 of 8 MiB took 410 MB)."""
        return max(2, self.unread_bytes // (3 * self.max_message_bytes))


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach the address."""
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
