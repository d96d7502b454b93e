"""Says what belongs to one piece and how long to wait for it: the join's settings. Knows no model and no decision."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from streams.observation import ModalityKind

BitDepth = Literal[8, 10, 12, 14, 16]


@dataclass(frozen=True, slots=True)
class CameraSpec:
    """A camera that a product is seen by."""

    name: str
    num_frames: int = 1
    """Images of this camera that make the piece complete (sequences 0 to num_frames - 1)."""
    may_repeat: bool = False
    """An image equal to an earlier one is no sign of a frozen camera: it is drawn, not measured."""
    bit_depth: BitDepth | None = None
    """Bits that the camera fills, from the lowest; None: all of 8 or 16, as its images have."""


@dataclass(frozen=True, slots=True)
class SensorSpec:
    """A sensor that a product is heard by."""

    name: str
    kind: ModalityKind
    sample_rate_hz: float
    num_channels: int = 1
    bind: Literal["time", "piece"] = "time"
    """`time`: cut from continuous chunks around the anchor; `piece`: a trace that carries the piece's id."""
    start_s: float = 0.0
    """Start of the window relative to the anchor (time-bound only)."""
    end_s: float = 0.0
    """End of the window relative to the anchor (time-bound only)."""
    anchor: str = "entered"
    """`entered` (the event, or else the first capture) or the name of the camera whose first frame is the anchor."""
    min_coverage: float = 1.0
    may_repeat: bool = False
    """A recording equal to an earlier one is no sign of a frozen sensor: its values are set, not measured."""


@dataclass(frozen=True, slots=True)
class AssemblySpec:
    """What the recipe of one (station, product) expects of a piece."""

    cameras: tuple[CameraSpec, ...]
    sensors: tuple[SensorSpec, ...] = ()
    capture_span_s: float = 0.5
    """All frames of a piece are captured within this time after its entry."""


@dataclass(frozen=True, slots=True)
class JoinSettings:
    """How the join treats time and memory; one set for a whole service."""

    max_delay_s: float = 1.0
    """A source silent for this long behind the station's clock is not waited for any more."""
    reorder_s: float = 0.25
    """How far behind newer data of the same source a record may still come."""
    dedup_horizon_s: float = 30.0
    """How long after its time a piece may still enter, and how long its verdict is remembered."""
    max_skew_s: float = 2.0
    """Event times further than this ahead of the log's clock are refused."""
    max_source_offset_s: float = 0.9
    """Sources of a station whose records come further apart than their stamps say, by more than this, are not believed:
    nothing passes. Transport may differ by this much; at most `max_skew_s` counts."""
    jitter_s: float = 0.02
    """A chunk's stamp may differ from its sample count by this much before the stream is re-anchored."""
    read_ahead_s: float = 5.0
    """Partitions further than this ahead of the station's slowest unread one are paused."""
    max_open_pieces: int = 256
    """Open pieces per station; the oldest closes as STATE_LIMIT when one more enters."""
    max_open_bytes: int = 512 * 2**20
    """Bytes of decoded images and traces of pieces per shard, until they are judged."""
    max_signal_bytes: int = 512 * 2**20
    """Bytes of samples per shard that a piece may still need; what would exceed them is refused."""
    max_stations: int = 32
    """Stations per shard that state is kept for."""


class RecipeBook(Protocol):
    """What the join must know of recipes."""

    def assembly(self, line: str, station: str, product: str) -> AssemblySpec | None:
        """What a piece of this product consists of at this station; None when no recipe fits."""

    def sensors(self, line: str, station: str) -> Mapping[str, SensorSpec]:
        """Every sensor that any recipe of this station names."""

    def cameras(self, line: str, station: str) -> frozenset[str]:
        """Every camera that any recipe of this station names."""
