"""Says how much an embedded log keeps, how long its users wait for each other, and how much one poll gives."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EmbeddedSettings:
    """How much the file keeps, how long an owner may be silent, and how much one poll gives."""

    max_bytes: int = 4 * 2**30
    """Bytes of live records; older ones are deleted above it, never those that are still needed."""
    max_age_s: float = 7 * 86_400.0
    """Records older than this are deleted, never those that are still needed."""
    lease_s: float = 10.0
    """An owner silent for this long may be followed by another."""
    busy_s: float = 30.0
    """How long to wait for other writers, and a publisher for a disk that takes nothing."""
    max_record_bytes: int = 8 * 2**20
    """A larger value is not appended; of one that another program has put there, so much is read."""
    max_poll_bytes: int = 16 * 2**20
    """A poll gives no more records above it: at most this and one record."""
    max_poll_records: int = 500
    max_wal_bytes: int = 256 * 2**20
    """Publishers wait while the file -wal is larger: 16 MiB are usual, and it grows while another program reads one
    state of the log for long."""
    look_s: float = 0.005
    """How often a waiting poll looks for new records; half as often once nothing has come for a second."""
