"""Topics, records read from a log, and records to write to it."""

from dataclasses import dataclass
from typing import NamedTuple

TYPE_HEADER = "inspection-type"
MAX_TYPE = 256
"""Bytes of this header that are read; the service writes at most 30."""
TYPE_PREFIX = "inspection.v1."

MAX_RECORD_BYTES = 8 * 2**20
"""Largest value of a record, unless the configuration says otherwise."""

INPUT_KINDS = ("frames", "signals", "pieces")
OUTPUT_KINDS = ("verdicts", "dead-letters", "feedback", "shadow")
CONTROL_KIND = "control"
"""A compacted topic of one partition: the last record of each key counts."""


class TopicPartition(NamedTuple):
    topic: str
    partition: int


class Shard(NamedTuple):
    """The part of a line that one worker owns: partition number `partition` of each of the line's topics."""

    line: str
    partition: int


class Topics(NamedTuple):
    """The topics of one line; `prefix` is the same for the whole installation."""

    prefix: str
    line: str

    def of(self, kind: str) -> str:
        """Topic of a kind such as `frames` or `dead-letters`."""
        return f"{self.prefix}.{self.line}.{kind}"

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(self.of(kind) for kind in INPUT_KINDS)

    @property
    def sisters(self) -> tuple[str, ...]:
        """The topics that a worker reads and writes; their partitions of one number belong together."""
        return tuple(self.of(kind) for kind in (*INPUT_KINDS, *OUTPUT_KINDS) if kind != "feedback")

    @property
    def all(self) -> tuple[str, ...]:
        return tuple(self.of(kind) for kind in (*INPUT_KINDS, *OUTPUT_KINDS, CONTROL_KIND))


@dataclass(frozen=True, slots=True)
class Record:
    """One record as read from the log."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    type: str
    """The header `inspection-type`, e.g. `inspection.v1.CameraFrame`; empty when absent."""
    append_ns: int
    """When the log took the record, in nanoseconds since the Unix epoch."""
    unreadable: str = ""
    """Why the log's client cannot decode the record; its `value` then holds the remaining bytes."""
    is_stamped_by_log: bool = True
    """Whether the log set `append_ns`; if not, it is the producer's time, or the newest time that the log had set
    before."""


@dataclass(frozen=True, slots=True)
class Output:
    """One record to write. `partition` None lets the key choose (Kafka's default hash)."""

    topic: str
    partition: int | None
    key: bytes
    value: bytes
    type: str
