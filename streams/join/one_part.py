"""Tells a late record of a piece from one of another part that was read under the same id: a reader that failed calls
both NOREAD. Goes by event time alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from protos.inspection.v1 import records_pb2 as pb
from streams.decode.limits import Finding
from streams.observation import InspectionId

ENTERED = "event `entered`"
MEMORY_HORIZONS = 2
"""Verdicts are remembered for this many horizons after entry: a record of the piece that is younger than its entry by
up to one horizon is then still known as late, and does not let the piece enter a second time."""
Times = Mapping[str, int]
"""Event time of every record of a piece that comes once, by what it is."""


def image_of(camera: str, sequence: int) -> str:
    return f"image {sequence} of camera {camera!r}"


def trace_of(sensor: str) -> str:
    return f"trace of sensor {sensor!r}"


class PieceRecord(NamedTuple):
    """A record as far as it tells one part from another."""

    inspection: InspectionId
    what: str
    event_ns: int
    product: str | None = None
    """None for a record that is made at any time after entry."""


@dataclass(frozen=True, slots=True)
class Part:
    """What is known of the part that has the id."""

    entry_ns: int
    times: Times = field(default_factory=dict)
    """Empty where a predecessor judged it."""


def unlike(part: Part, record: PieceRecord, span_s: float) -> str:
    """Why this record is of another part, in words; empty where it may be of the same. All frames of a part are made
    within `span_s` after its entry."""
    first_ns = part.times.get(record.what)
    if first_ns is not None:
        apart_s = abs(record.event_ns - first_ns) / 1e9
        return f"{record.what} was taken before, {apart_s:.3f} s apart" if apart_s else ""
    after_s = (record.event_ns - part.entry_ns) / 1e9
    if record.product is None or after_s <= span_s:
        return ""
    return f"{record.what} was made {after_s:.3f} s after the piece had entered, capture_span_s is {span_s:g}"


def read_twice(inspection: InspectionId, why: str, horizon_s: float) -> Finding:
    return Finding(
        pb.DEAD_LETTER_REASON_ID_READ_TWICE,
        f"{inspection} came again, for another part: {why}. Mend the reader that gives two parts one id; raise "
        f"pass_number where a part is measured again; else let {MEMORY_HORIZONS * horizon_s:g} s pass before an id is "
        "used again",
    )
