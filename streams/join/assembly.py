"""The join's settings: the recordings of one piece, and how long to wait for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from streams.observation import ModalityKind

BitDepth = Literal[8, 10, 12, 14, 16]


@dataclass(frozen=True, slots=True)
class CameraSpec:
    """One camera of a product."""

    name: str
    num_frames: int = 1
    """Images of this camera that make the piece complete (sequences 0 to num_frames - 1)."""
    may_repeat: bool = False
    """Images may equal earlier ones without counting as frozen, because they are rendered, not measured."""
    bit_depth: BitDepth | None = None
    """Bits that the camera uses, from the lowest; None: all 8 or 16 bits of its images."""


@dataclass(frozen=True, slots=True)
class SensorSpec:
    """One sensor of a product."""

    name: str
    kind: ModalityKind
    sample_rate_hz: float
    num_channels: int = 1
    bind: Literal["time", "piece"] = "time"
    """`time`: a window of continuous chunks, relative to the anchor; `piece`: a trace with the piece's id."""
    start_s: float = 0.0
    """Start of the window relative to the anchor (time-bound only)."""
    end_s: float = 0.0
    """End of the window relative to the anchor (time-bound only)."""
    anchor: str = "entered"
    """`entered` (the event, or else the first capture) or the name of the camera whose first frame is the anchor."""
    min_coverage: float = 1.0
    may_repeat: bool = False
    """Recordings may equal earlier ones without counting as frozen, because the values are set, not measured."""


@dataclass(frozen=True, slots=True)
class AssemblySpec:
    """The cameras and sensors that the recipe of one (station, product) expects."""

    cameras: tuple[CameraSpec, ...]
    sensors: tuple[SensorSpec, ...] = ()
    capture_span_s: float = 0.5
    """All frames of a piece are captured within this time after its entry."""


@dataclass(frozen=True, slots=True)
class JoinSettings:
    """How the join treats time and memory; one set for a whole service."""

    max_delay_s: float = 1.0
    """The join no longer waits for a source that is this far behind the station's clock."""
    reorder_s: float = 0.25
    """How much later than newer data of the same source a record may arrive."""
    dedup_horizon_s: float = 30.0
    """How late a piece may enter, and how long its verdict is remembered."""
    max_skew_s: float = 2.0
    """Event times further than this ahead of the log's clock are refused."""
    max_source_offset_s: float = 0.9
    """If the clocks of two sources of a station differ by more than this, their pieces do not pass. Transport delays
    may differ by this much; values above `max_skew_s` count as `max_skew_s`."""
    jitter_s: float = 0.02
    """A chunk's stamp may differ from its sample count by this much before the stream is re-anchored."""
    read_ahead_s: float = 5.0
    """Partitions more than this ahead of the station's slowest unread partition are paused."""
    max_open_pieces: int = 256
    """Open pieces per station; the oldest closes as STATE_LIMIT when one more enters."""
    max_open_bytes: int = 512 * 2**20
    """Bytes of decoded images and traces of pieces per shard, until they are judged."""
    max_signal_bytes: int = 512 * 2**20
    """Bytes of samples per shard that a piece may still need; chunks beyond this are refused."""
    max_stations: int = 32
    """Stations per shard with state in memory."""


class RecipeBook(Protocol):
    """The part of the recipes that the join needs."""

    def assembly(self, line: str, station: str, product: str) -> AssemblySpec | None:
        """The recordings of a piece of this product at this station; None without a matching recipe."""

    def sensors(self, line: str, station: str) -> Mapping[str, SensorSpec]:
        """Every sensor that any recipe of this station names."""

    def cameras(self, line: str, station: str) -> frozenset[str]:
        """Every camera that any recipe of this station names."""

    def traces_open(self, line: str, station: str) -> bool:
        """Whether a trace opens its piece there: no recipe names a camera, and none needs to know the product."""
