"""The memo that travels with committed offsets, so that a successor re-reads without judging anything twice.

One JSON object per input partition, well under Kafka's 4,096 bytes of offset metadata. Knows no payload.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

MAX_MEMO_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Memo:
    """What the owner of a shard leaves beside the committed offset of one input partition."""

    read: int
    """Next unread offset at the commit: records below it were either used, are still open, or are dead letters."""
    verdicts: int | None = None
    """Frames partition only: read the verdict partition back from this offset."""
    dead_letters: int | None = None
    """Frames partition only: read the dead-letter partition back from this offset."""
    clocks_ms: Mapping[str, int] = field(default_factory=dict)
    """Frames partition only: the clock of each station, so that it never runs back."""
