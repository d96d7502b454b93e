"""Distinguishes a late record of a piece from a record of another part with the same id, by event time alone. Example:
a failing code reader calls every part NOREAD."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from protos.inspection.v1 import records_pb2 as pb
from streams.decode.limits import RecordError
from streams.observation import InspectionId

ENTERED = "event `entered`"
MEMORY_HORIZONS = 2
"""Verdicts are remembered for this many horizons after entry, so that a record up to one horizon after the piece's
entry counts as late and does not let the piece enter a second time."""
Times = Mapping[str, int]
"""Event time of every record that a piece has once, by its description."""


def image_of(camera: str, sequence: int) -> str:
    return f"image {sequence} of camera {camera!r}"


def trace_of(sensor: str) -> str:
    return f"trace of sensor {sensor!r}"


class PieceRecord(NamedTuple):
    """The fields of a record that distinguish one part from another."""

    inspection: InspectionId
    what: str
    event_ns: int
    product: str | None = None
    """None for a record that may be made at any time after entry."""


@dataclass(frozen=True, slots=True)
class Part:
    """The part that has the id."""

    entry_ns: int
    times: Times = field(default_factory=dict)
    """Empty if a predecessor judged it."""


def unlike(part: Part, record: PieceRecord, span_s: float) -> str:
    """Why this record is of another part; empty if it may be of the same part. All frames of a part are captured within
    `span_s` after its entry."""
    first_ns = part.times.get(record.what)
    if first_ns is not None:
        apart_s = abs(record.event_ns - first_ns) / 1e9
        return f"{record.what} was received before, {apart_s:.3f} s apart" if apart_s else ""
    after_s = (record.event_ns - part.entry_ns) / 1e9
    if record.product is None or after_s <= span_s:
        return ""
    return f"{record.what} was made {after_s:.3f} s after the piece had entered, capture_span_s is {span_s:g}"


def read_twice(inspection: InspectionId, why: str, horizon_s: float) -> RecordError:
    return RecordError(
        pb.DEAD_LETTER_REASON_ID_READ_TWICE,
        f"{inspection} came again, for another part: {why}. Fix the reader that gives two parts one id; raise "
        f"pass_number for a repeated measurement; otherwise wait {MEMORY_HORIZONS * horizon_s:g} s before using an id "
        "again",
    )
