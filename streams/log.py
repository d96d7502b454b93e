"""The interfaces of a log: read input, commit verdicts with positions, follow verdicts, publish. Two logs implement
them: Apache Kafka (`kafka`) and one SQLite file (`embedded`)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Protocol

from streams.records import Output, Record, Shard, TopicPartition


class LogError(Exception):
    """Base of all errors of a log."""


class LogUnavailableError(LogError):
    """The log is unavailable now, and nothing of the failed call was written. A later retry may succeed."""


class LogLostError(LogError):
    """The log is damaged or gone. Programs that use it exit, because nothing that they write would be kept."""


class CommitRefusedError(LogError):
    """Another worker has taken over: nothing was committed, and all state of the shards must be dropped."""


class LogFullError(LogError):
    """The embedded log has no room for a kind of record within `max_bytes`, and nothing of it may be deleted yet."""


class LogStoppedError(LogError):
    """The program is stopping and no longer waits for the log; uncommitted input will be read again."""


class TopicsError(LogError):
    """Topics are missing or unequal; the message names them and the command that fixes it."""


class TokenExpiredError(LogError):
    """A resume token or time lies before the oldest record left; `oldest_ns` is the time of that record."""

    def __init__(self, message: str, oldest_ns: int) -> None:
        super().__init__(message)
        self.oldest_ns = oldest_ns


class TokenInvalidError(LogError):
    """A resume token that no gateway of this log has issued."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a successor continues to read one input partition, with the state that it needs.

    `memo` travels with the committed offset (Kafka: offset metadata, at most 4,096 bytes).
    """

    offset: int
    memo: str = ""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A shard that this worker now owns, with the state that its predecessors left.

    `verdicts` and `dead_letters` are read back, committed ones only and to the end, from the offsets in the memo.
    """

    shard: Shard
    positions: Mapping[str, Position]
    """Committed position per input topic; a topic without a commit is absent. The memo counts this owner already."""
    starts: Mapping[str, int]
    """Offset of the next record that `poll` will give, per input topic."""
    verdicts: Sequence[Record] = ()
    dead_letters: Sequence[Record] = ()
    verdict_end: int = 0
    """Offset after the last verdict of the shard's verdict partition."""
    dead_letter_end: int = 0
    num_partitions: int = 1
    """Partitions of each of the line's topics, as they are now: with a record's key they determine its partition."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The result of one poll. Apply `lost`, then `gained`, then `records`."""

    epoch: object
    """Identifies this ownership: pass it to `commit` with the results for these records."""
    records: Sequence[Record] = ()
    lost: AbstractSet[Shard] = frozenset()
    gained: Sequence[Assignment] = ()
    at_end: AbstractSet[Shard] = frozenset()
    """Shards whose input the log has confirmed within the last second to be read to its end."""
    unread: AbstractSet[TopicPartition] = field(default_factory=frozenset)
    """Input partitions known or presumed to hold records that were not returned yet (paused ones included)."""
    lag: Mapping[TopicPartition, int] = field(default_factory=dict)
    """Records not returned yet per input partition, as far as the log reports it."""
    num_lost: int = 0
    """Records that retention removed before they could be read, since the previous poll."""
    connection_problem: str = ""
    """Why the log returns no records to this worker although it may hold some (it does not respond, a takeover is under
    way); empty while it responds."""


Step = Callable[[str], None]
"""Called at the steps inside a commit: `before begin`, `after produce`, `after send_offsets`, `before commit`."""


def no_step(name: str) -> None:
    """Does nothing; fault tests end the process here."""


class Source(Protocol):
    """Input of a worker. One thread owns it, together with the `Sink`."""

    def poll(self, timeout_s: float) -> Batch:
        """Waits up to `timeout_s` for records. Waits out outages and never raises because of one."""

    def pause(self, partitions: AbstractSet[TopicPartition]) -> None:
        """Reads no records from exactly these partitions until the next call."""

    def close(self) -> None: ...


class Sink(Protocol):
    """Output of a worker: commits verdicts and input positions together or not at all."""

    def commit(
        self, outputs: Sequence[Output], positions: Mapping[TopicPartition, Position], epoch: object
    ) -> Mapping[TopicPartition, int]:
        """Writes outputs and positions atomically; returns the end offset of every partition written.

        Raises CommitRefusedError when `epoch` is over. Retries what can be retried.
        """

    def close(self) -> None: ...


class Publisher(Protocol):
    """Appends records durably; used by cameras, sensors, replay and feedback, not by workers."""

    def publish(self, outputs: Sequence[Output]) -> None:
        """Queues records; `flush` waits until they are durable. Waits out an outage; the embedded log waits for a
        bounded time only. Raises LogUnavailableError and LogFullError (both embedded only)."""

    def flush(self) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Start:
    """Where a tail begins: with a token, at a time, or at `live` / `earliest`."""

    token: bytes | None = None
    time_ns: int | None = None
    earliest: bool = False
    skip_lost: bool = False
    """With a token: a partition whose next record was deleted, or whose topic was recreated, begins with its oldest
    record and is listed in `Tail.gaps`; all others continue where the token says. Otherwise such a token is refused."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Records of one partition that a tail cannot deliver any more."""

    source: TopicPartition
    first: int
    """Offset of the first of them, as the token says."""
    next: int
    """Offset at which the tail continues."""
    oldest_ns: int
    """Append time of the oldest record left, or the present time where there is none."""
    is_recreated: bool = False
    """Whether the offsets belong to different topics of one name; else those from `first` to `next` were deleted."""


class Tail(Protocol):
    """Follows the committed verdicts of all lines. Does not join the workers' consumer group."""

    def poll(self, timeout_s: float) -> Sequence[Record]:
        """Waits up to `timeout_s` for verdict records, in order within each partition."""

    @property
    def is_away(self) -> bool:
        """Whether the last `poll` returned nothing because the log does not respond."""

    def position(self) -> Mapping[TopicPartition, int]:
        """Next offset per verdict partition."""

    def identities(self) -> Mapping[str, str]:
        """What distinguishes each topic from a later one of the same name, as far as the log tells."""

    @property
    def gaps(self) -> Sequence[Gap]:
        """What this tail skipped when it began, see `Start.skip_lost`."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ReadBack:
    """Records read again at given offsets."""

    records: Mapping[int, Record]
    """By offset."""
    missing: AbstractSet[int] = frozenset()
    """Offsets at which the log holds no record of the partition: retention deleted it, or it never did."""
    too_large: AbstractSet[int] = frozenset()
    """Offsets not read, because the records before them fill `max_bytes`."""


class RecordReader(Protocol):
    """Reads records again by their offsets. One thread uses it at a time."""

    def read(self, at: TopicPartition, offsets: Iterable[int], *, max_bytes: int, timeout_s: float) -> ReadBack:
        """Reads, in order of offset, only what a worker can read: committed records. At most `max_bytes` of values.

        Raises LogUnavailableError where the log does not respond within `timeout_s`; never for records that are gone.
        """

    def close(self) -> None: ...


class Log(Protocol):
    """A log of records; opens the interfaces above."""

    def publisher(self) -> Publisher: ...

    def tail(self, start: Start) -> Tail:
        """Raises TokenExpiredError, TokenInvalidError."""

    def dead_letters(self, start: Start) -> Tail:
        """Follows the dead letters instead. Raises the same errors as `tail`."""

    def shadow(self, start: Start) -> Tail:
        """Follows the verdicts of shadows instead. Raises the same errors as `tail`."""

    def feedback(self, start: Start) -> Tail:
        """Follows people's findings instead. Raises the same errors as `tail`."""

    def control(self, start: Start) -> Tail:
        """Follows the control topics instead: from `earliest`, the last record of every key that was ever written."""

    def reader(self) -> RecordReader: ...

    def close(self) -> None: ...
