"""The state that the stations of one shard share: recipes, settings, time, ledger."""

from collections.abc import Callable
from dataclasses import dataclass, field

from streams.decode.items import Origin
from streams.decode.limits import RecordError
from streams.join.assembly import JoinSettings, RecipeBook
from streams.join.clock import ShardClocks, ShardTime
from streams.join.join_metrics import JoinMetrics
from streams.join.ledger import Ledger
from streams.join.low_pixels import LowPixels
from streams.join.wakes import Wakes
from streams.observation import InspectionId
from streams.records import TopicPartition


@dataclass(slots=True)
class Held:
    """What all stations of a shard together hold."""

    signal_bytes: int = 0
    open_bytes: int = 0
    """Images and traces of open pieces, and waiting traces."""
    closed_bytes: int = 0
    """The same for closed pieces that are not handed over yet."""
    num_open: int = 0
    num_crowded: int = 0
    """Stations with more than half of the open pieces that they may have."""
    first_open: dict[str, InspectionId] = field(default_factory=dict)
    """By station, the piece that has been open the longest."""

    def count_open(self, station: str, oldest: InspectionId | None, num: tuple[int, int], most: int) -> None:
        """Counts a piece of a station that has opened or closed: `num` open ones, after a change of 1 or -1. `most` may
        be open at a station."""
        num_open, change = num
        self.num_open += change
        self.num_crowded += (2 * num_open > most) - (2 * (num_open - change) > most)
        if oldest is None:
            self.first_open.pop(station, None)
        else:
            self.first_open[station] = oldest


@dataclass(frozen=True, slots=True)
class ShardContext:
    """Shared by all stations of a shard."""

    recipes: RecipeBook
    settings: JoinSettings
    time: ShardTime
    clocks: ShardClocks
    wakes: Wakes
    ledger: Ledger
    metrics: JoinMetrics
    pieces: TopicPartition
    """The partition of piece events."""
    signals: TopicPartition
    refuse: Callable[[Origin, RecordError, InspectionId], None]
    """Makes a dead letter of a record that was accepted before."""
    held: Held = field(default_factory=Held)
    low_pixels: LowPixels = field(default_factory=LowPixels)
