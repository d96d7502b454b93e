"""The seams to a log: read input, commit verdicts with positions, follow verdicts, publish. Two logs implement them:
Apache Kafka (`kafka`) and one SQLite file (`embedded`). Knows no payload."""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Protocol

from streams.records import Output, Record, Shard, TopicPartition


class LogError(Exception):
    """Base of what a log can fail with."""


class LogUnavailableError(LogError):
    """The log cannot be used now; waiting may mend it, and nothing of what failed was written."""


class LogLostError(LogError):
    """The log is damaged or gone. Programs that use it end, because nothing that they write would be kept."""


class CommitRefusedError(LogError):
    """Another owner has taken over: nothing of the commit was written, all state of the shards must be dropped."""


class LogFullError(LogError):
    """The embedded log has no room for a kind of record within `max_bytes`, and nothing of it may be deleted yet."""


class LogStoppedError(LogError):
    """The program is to end, so the log is waited for no longer; what is not committed is read again."""


class TopicsError(LogError):
    """Topics are missing or unequal; the message names them and the command that mends it."""


class TokenExpiredError(LogError):
    """A resume token or time lies before the oldest record left; `oldest_ns` says what is still there."""

    def __init__(self, message: str, oldest_ns: int) -> None:
        super().__init__(message)
        self.oldest_ns = oldest_ns


class TokenInvalidError(LogError):
    """A resume token that no gateway of this log has issued."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a successor goes on reading one input partition, and what it must know then.

    `memo` travels with the committed offset (Kafka: offset metadata, at most 4,096 bytes).
    """

    offset: int
    memo: str = ""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A shard that this worker now owns, with what its predecessors left.

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
    """Offset behind the last verdict of the shard's verdict partition."""
    dead_letter_end: int = 0
    num_partitions: int = 1
    """Partitions of each of the line's topics, as they are now: they and a key say where a record must lie."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one poll gave. Apply `lost`, then `gained`, then `records`."""

    epoch: object
    """Whose turn it is: hand it to `commit` with what was made of these records."""
    records: Sequence[Record] = ()
    lost: AbstractSet[Shard] = frozenset()
    gained: Sequence[Assignment] = ()
    at_end: AbstractSet[Shard] = frozenset()
    """Shards whose input the log has confirmed within the last second to be read to its end."""
    unread: AbstractSet[TopicPartition] = field(default_factory=frozenset)
    """Input partitions known or presumed to hold records that were not given yet (paused ones included)."""
    lag: Mapping[TopicPartition, int] = field(default_factory=dict)
    """Records not given yet per input partition, as far as the log tells."""
    num_lost: int = 0
    """Records that retention removed before they could be read, since the poll before."""
    connection_problem: str = ""
    """Why the log gives this worker nothing, whatever it holds (it does not answer, shards are still being handed
    over); empty where it answers."""


Step = Callable[[str], None]
"""Told of the steps inside a commit: `before begin`, `after produce`, `after send_offsets`, `before commit`."""


def no_step(name: str) -> None:
    """Nobody listens; fault tests end the process here."""


class Source(Protocol):
    """Input of a worker. One thread owns it, together with the `Sink`."""

    def poll(self, timeout_s: float) -> Batch:
        """Waits up to `timeout_s` for records. Outages are waited out here, never raised."""

    def pause(self, partitions: AbstractSet[TopicPartition]) -> None:
        """Exactly these partitions give no records until the next call."""

    def close(self) -> None: ...


class Sink(Protocol):
    """Output of a worker: what was decided and how far the input is done, together or not at all."""

    def commit(
        self, outputs: Sequence[Output], positions: Mapping[TopicPartition, Position], epoch: object
    ) -> Mapping[TopicPartition, int]:
        """Writes outputs and positions atomically; returns the end offset of every partition written.

        Raises CommitRefusedError when `epoch` is over. Retries what can be retried.
        """

    def close(self) -> None: ...


class Publisher(Protocol):
    """Appends records durably, outside of any worker: what cameras, sensors, replay and feedback use."""

    def publish(self, outputs: Sequence[Output]) -> None:
        """Hands records over; `flush` waits until they are durable. An outage is waited out, for a bounded time where
        the log is embedded: then LogUnavailableError. Raises LogFullError (embedded)."""

    def flush(self) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Start:
    """Where a tail begins: with a token, at a time, or at `live` / `earliest`."""

    token: bytes | None = None
    time_ns: int | None = None
    earliest: bool = False


class Tail(Protocol):
    """Follows the verdicts of all lines, committed ones only, without being one of the workers' group."""

    def poll(self, timeout_s: float) -> Sequence[Record]:
        """Waits up to `timeout_s` for verdict records, in order within each partition."""

    @property
    def is_away(self) -> bool:
        """Whether the last `poll` gave nothing because the log does not answer."""

    def position(self) -> Mapping[TopicPartition, int]:
        """Next offset per verdict partition."""

    def close(self) -> None: ...


class Log(Protocol):
    """A place where records live; opens the seams above."""

    def publisher(self) -> Publisher: ...

    def tail(self, start: Start) -> Tail:
        """Raises TokenExpiredError, TokenInvalidError."""

    def dead_letters(self, start: Start) -> Tail:
        """Follows the dead letters instead. Raises what `tail` raises."""

    def control(self, start: Start) -> Tail:
        """Follows the control topics instead: from `earliest`, the last record of every key that was ever written."""

    def close(self) -> None: ...
