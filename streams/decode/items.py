"""The types of decoded records, which are the input of the join."""

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from streams.observation import Image, InspectionId, ModalityKind


@dataclass(frozen=True, slots=True)
class Origin:
    """The position of an item's record in the log."""

    topic: str
    partition: int
    offset: int
    append_ns: int


@dataclass(frozen=True, slots=True)
class Reference:
    """An image to be fetched: its address, and the properties to check."""

    uri: str
    sha256: bytes
    size_bytes: int
    format: int
    """A `PixelFormat` value: PNG or JPEG."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One image of one piece, or its reference. Without either, the image is still being decoded."""

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
    """A change of state of a piece."""

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
    """The readable part of a rejected frame or piece event: enough to open its inspection."""

    inspection: InspectionId
    product: str
    lot: str
    event_ns: int
    """Event time of the record, or its append time where the event time is not usable."""
    camera: str | None
    """Camera of the rejected frame; None for an event or an unreadable name."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that cannot be used, with the content of its dead letter."""

    origin: Origin
    reason: int
    """A `DeadLetterReason` value."""
    detail: str
    """The problem in one sentence: value, expectation, remedy."""
    station: str
    raw: bytes = b""
    """The first bytes of the record, at most 64 KiB."""
    raw_size_bytes: int = 0
    type: str = ""
    """The header `inspection-type` as received."""
    entry: Entry | None = None
    """Set for a frame or piece event with a readable inspection, which is then opened anyway."""
    inspection: InspectionId | None = None
    """The inspection that the record names, if it can be read (traces included)."""


Item = Frame | Chunk | Trace | Event | Rejected
