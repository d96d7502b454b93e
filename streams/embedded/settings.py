"""Limits of an embedded log: how much it keeps, how long its users wait for each other, how much one poll returns."""

from dataclasses import dataclass

from streams.records import MAX_RECORD_BYTES


@dataclass(frozen=True, slots=True)
class EmbeddedSettings:
    """How much the file keeps, how long an owner may be silent, and how much one poll returns."""

    max_bytes: int = 4 * 2**30
    """Bytes of live records; above it, the oldest are deleted, except those that are still needed."""
    max_age_s: float = 7 * 86_400.0
    """Records older than this are deleted, except those that are still needed."""
    lease_s: float = 10.0
    """Another worker takes over from an owner that is silent for this long."""
    busy_s: float = 30.0
    """How long to wait for other writers; a publisher also waits this long for a disk that cannot be written."""
    max_record_bytes: int = MAX_RECORD_BYTES
    """A larger value is not appended; of a larger one from another program, only this much is read."""
    max_poll_bytes: int = 16 * 2**20
    """A poll returns at most this much and one more record."""
    max_poll_records: int = 500
    max_wal_bytes: int = 256 * 2**20
    """Publishers wait while the file -wal is larger. 16 MiB are usual; it grows while another program keeps a
    transaction open."""
    look_s: float = 0.005
    """How often a waiting worker checks for new records; half as often after a second without any."""
    tail_look_s: float = 0.01
    """How often a follower of verdicts, dead letters or control records checks for them."""
    gather_s: float = 0.01
    """While records come in a stream, a worker looks at most this often: verdicts come later by at most this, and each
    look costs as much as several records."""
