"""Names what a record turns into once it is decoded: the types that the join takes. Knows no bytes on the wire."""

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from streams.observation import Image, InspectionId, ModalityKind


@dataclass(frozen=True, slots=True)
class Origin:
    """Where in the log an item came from."""

    topic: str
    partition: int
    offset: int
    append_ns: int


@dataclass(frozen=True, slots=True)
class Reference:
    """An image to be fetched: where it lies and what must come."""

    uri: str
    sha256: bytes
    size_bytes: int
    format: int
    """A `PixelFormat` value: PNG or JPEG."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One image of one piece, or where it lies. With neither `image` nor `reference` it is being decoded."""

    origin: Origin
    inspection: InspectionId
    product: str
    lot: str
    camera: str
    sequence: int
    capture_ns: int
    image: Image | None
    reference: Reference | None

    @property
    def station(self) -> str:
        return self.inspection.station


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """A stretch of a continuous stream: samples (num_samples, num_channels), integers scaled to 1.0."""

    origin: Origin
    line: str
    station: str
    sensor: str
    kind: ModalityKind
    stream_id: str
    first_sample: int
    start_ns: int
    sample_rate_hz: float
    samples: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """A recording bound to one piece: samples (num_samples, num_channels), integers scaled to 1.0."""

    origin: Origin
    inspection: InspectionId
    sensor: str
    kind: ModalityKind
    start_ns: int
    sample_rate_hz: float
    samples: NDArray[np.float32]

    @property
    def station(self) -> str:
        return self.inspection.station


class EventKind(Enum):
    """What happened to a piece."""

    ENTERED = "entered"
    LEFT = "left"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True)
class Event:
    """A change of a piece's state."""

    origin: Origin
    inspection: InspectionId
    product: str
    lot: str
    kind: EventKind
    event_ns: int

    @property
    def station(self) -> str:
        return self.inspection.station


@dataclass(frozen=True, slots=True)
class Entry:
    """What a frame or piece event that cannot be used still says: enough for its inspection to enter."""

    inspection: InspectionId
    product: str
    lot: str
    event_ns: int
    """Event time of the record; its append time where the record's own is not usable."""
    camera: str | None
    """Camera of the frame that was lost; None for an event or an unreadable name."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that cannot be used: what its dead letter will say."""

    origin: Origin
    reason: int
    """A `DeadLetterReason` value."""
    detail: str
    """The finding in one sentence: value, expectation, remedy."""
    station: str
    raw: bytes = b""
    """The first bytes of the record, at most 64 KiB."""
    raw_size_bytes: int = 0
    type: str = ""
    """The header `inspection-type` as it came."""
    entry: Entry | None = None
    """Set for a frame or piece event whose inspection is readable: the inspection enters all the same."""
    inspection: InspectionId | None = None
    """The inspection that the record names, if it can be read (traces included)."""


Item = Frame | Chunk | Trace | Event | Rejected
