"""All recordings of one piece: the type that the join passes on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

SensorKind = Literal["audio", "vibration", "trace"]
ModalityKind = Literal["image"] | SensorKind
Image = NDArray[np.uint8] | NDArray[np.uint16]


class InspectionId(NamedTuple):
    """One pass of a piece at a station; it gets exactly one verdict."""

    line: str
    station: str
    piece_id: str
    pass_number: int = 0

    def __str__(self) -> str:
        return f"{self.line}/{self.station}/{self.piece_id}#{self.pass_number}"


class State(Enum):
    PRESENT = "present"
    MISSING = "missing"
    STALE = "stale"
    IMPLAUSIBLE = "implausible"
    """Received but not credible; no piece passes on it."""


class MissingReason(Enum):
    """Why a modality is not present; the names are those of `ModalityReason` on the wire."""

    NOT_RECEIVED = "not_received"
    COVERAGE = "coverage"
    UNDECODABLE = "undecodable"
    REFERENCE = "reference"
    NO_ANCHOR = "no_anchor"
    EXPOSURE = "exposure"
    CONTRAST = "contrast"
    SHARPNESS = "sharpness"
    NOISE = "noise"
    SATURATED = "saturated"
    FORMAT = "format"
    FROZEN = "frozen"
    LEVEL = "level"
    CLIPPED = "clipped"
    OFFSET = "offset"
    DEAD_CHANNEL = "dead_channel"
    CLOCK = "clock"
    SIZE = "size"
    ALIGNMENT = "alignment"


class Span(NamedTuple):
    """Consecutive samples of a clip, and the records that hold them."""

    at: int
    """Index in the clip of its first sample."""
    stream_id: str
    first_sample: int
    """Index of its first sample, counted from the start of the stream or of the trace."""
    num_samples: int
    offsets: tuple[int, ...]
    """In order of the samples. Where two records hold the same sample, that of the lower offset counts."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """The images of one camera in order of sequence, (H, W) or (H, W, 3) blue-green-red, uint8 or uint16."""

    camera: str
    images: tuple[Image, ...]
    state: State
    absence: MissingReason | None = None
    coverage: float = 1.0
    detail: str = ""
    """If implausible: the measured value, the expected value and the likely cause."""
    offsets: tuple[int, ...] = ()
    """Offset of each image's record; none for images that came otherwise."""
    bit_depth: int | None = None
    """Bits that the records' images use, where they were scaled to full scale from these."""


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """The signal of one sensor: samples (num_samples, num_channels) float32, full scale 1.0 for integers; or None."""

    sensor: str
    kind: ModalityKind
    samples: NDArray[np.float32] | None
    sample_rate_hz: float
    state: State
    absence: MissingReason | None = None
    coverage: float = 1.0
    first_ns: int = 0
    """Event time of the first sample."""
    detail: str = ""
    """If implausible: the measured value, the expected value and the likely cause."""
    spans: tuple[Span, ...] = ()
    """Where the samples are in the log; none for samples that came otherwise, or in too many records."""


class CloseReason(Enum):
    """Why the join closed a piece."""

    COMPLETE = "complete"
    PASSED = "passed"
    ABORTED = "aborted"
    NO_RECIPE = "no_recipe"
    STATE_LIMIT = "state_limit"


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """All recordings of one piece, once the join waits for nothing more."""

    inspection: InspectionId
    product: str
    lot: str
    closing: CloseReason
    views: Mapping[str, View]
    clips: Mapping[str, Clip]
    entry_ns: int
    """Event time of entry: the `entered` event, or else the first capture."""
    capture_ns: int
    """Event time of the last frame; `entry_ns` without one."""
    append_ns: int
    """Append time of the first record: how old the piece is in the log."""
    arrival_ns: int
    """Append time of the last record used."""
    partition: int | None = None
    """Partition of its records; None for a piece that is not from a log."""
    is_read_twice: bool = False
    """Records of another part arrived under the same id, so it is unclear which part these belong to."""

    @property
    def num_bytes(self) -> int:
        """Of all recordings."""
        images = sum(image.nbytes for view in self.views.values() for image in view.images)
        return images + sum(clip.samples.nbytes for clip in self.clips.values() if clip.samples is not None)


def from_files(
    inspection: InspectionId, product: str, images: Iterable[tuple[str, Image]], clips: Iterable[Clip]
) -> Observation:
    """A complete piece that did not come from a line and has no times. Each camera's images are in order of
    sequence."""
    images_of: dict[str, tuple[Image, ...]] = {}
    for camera, image in images:
        images_of[camera] = (*images_of.get(camera, ()), image)
    return Observation(
        inspection=inspection,
        product=product,
        lot="",
        closing=CloseReason.COMPLETE,
        views={camera: View(camera, frames, State.PRESENT) for camera, frames in images_of.items()},
        clips={clip.sensor: clip for clip in clips},
        entry_ns=0,
        capture_ns=0,
        append_ns=0,
        arrival_ns=0,
    )
