"""The state that the stations of one shard share: recipes, settings, time, ledger."""

from collections.abc import Callable
from dataclasses import dataclass, field

from streams.decode.items import Origin
from streams.decode.limits import RecordError
from streams.join.assembly import JoinSettings, RecipeBook
from streams.join.clock import ShardTime
from streams.join.join_metrics import JoinMetrics
from streams.join.ledger import Ledger
from streams.join.low_pixels import LowPixels
from streams.observation import InspectionId
from streams.records import TopicPartition


@dataclass(slots=True)
class Held:
    """Memory used by all stations of a shard together."""

    signal_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ShardContext:
    """Shared by all stations of a shard."""

    recipes: RecipeBook
    settings: JoinSettings
    time: ShardTime
    ledger: Ledger
    metrics: JoinMetrics
    pieces: TopicPartition
    """The partition of piece events."""
    signals: TopicPartition
    refuse: Callable[[Origin, RecordError, InspectionId], None]
    """Makes a dead letter of a record that was accepted before."""
    held: Held = field(default_factory=Held)
    low_pixels: LowPixels = field(default_factory=LowPixels)
