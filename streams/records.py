"""Names what travels through a log: topics, records read, records to write. Knows no broker and no payload."""

from dataclasses import dataclass
from typing import NamedTuple

TYPE_HEADER = "inspection-type"
MAX_TYPE = 256
"""Bytes of this header that are read; ours have at most 30."""
TYPE_PREFIX = "inspection.v1."

INPUT_KINDS = ("frames", "signals", "pieces")
OUTPUT_KINDS = ("verdicts", "dead-letters", "feedback", "shadow")
CONTROL_KIND = "control"
"""Compacted, of one partition: the last record of a key is what counts."""


class TopicPartition(NamedTuple):
    topic: str
    partition: int


class Shard(NamedTuple):
    """The part of a line that one worker owns: partition number `partition` of each of the line's topics."""

    line: str
    partition: int


class Topics(NamedTuple):
    """The topics of one line; `prefix` holds for the whole installation."""

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
        """The topics whose partitions belong together: those that a worker reads and writes."""
        return tuple(self.of(kind) for kind in (*INPUT_KINDS, *OUTPUT_KINDS) if kind != "feedback")

    @property
    def all(self) -> tuple[str, ...]:
        return tuple(self.of(kind) for kind in (*INPUT_KINDS, *OUTPUT_KINDS, CONTROL_KIND))


@dataclass(frozen=True, slots=True)
class Record:
    """One record as the log gave it."""

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
    """Why the log's client cannot decode the record; its `value` is then what is left of its bytes."""
    is_stamped_by_log: bool = True
    """Whether `append_ns` is the log's; else it is a producer's, or the newest that the log had set before."""


@dataclass(frozen=True, slots=True)
class Output:
    """One record to write. `partition` None lets the key choose (Kafka's default hash)."""

    topic: str
    partition: int | None
    key: bytes
    value: bytes
    type: str
