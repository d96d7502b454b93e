"""The kinds of sensors: their numbers on the wire, and properties of their recordings.

A new kind is a value of `SignalKind` (protos), a word of `SensorKind` and a row here; all else asks this table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from protos.inspection.v1.records_pb2 import SignalKind
from streams.observation import SensorKind


@dataclass(frozen=True, slots=True)
class SensorTraits:
    """Properties of the recordings of a kind."""

    number: SignalKind
    is_sound: bool = False
    """Pitch tells defects apart: training proposes spectra first, else the samples as they are."""
    is_curve: bool = False
    """One whole curve per piece, of any length, in which each value counts. Else: a stream of waves around a mean, of
    which a window is cut for each piece."""


SENSOR_KINDS: Mapping[str, SensorTraits] = {
    "audio": SensorTraits(SignalKind.SIGNAL_KIND_AUDIO, is_sound=True),
    "vibration": SensorTraits(SignalKind.SIGNAL_KIND_VIBRATION),
    "trace": SensorTraits(SignalKind.SIGNAL_KIND_TRACE, is_curve=True),
}
KINDS: Mapping[int, SensorKind] = {traits.number: cast("SensorKind", kind) for kind, traits in SENSOR_KINDS.items()}


def is_sound(kind: str) -> bool:
    """False for cameras, too."""
    return kind in SENSOR_KINDS and SENSOR_KINDS[kind].is_sound


def is_curve(kind: str) -> bool:
    """False for cameras, too."""
    return kind in SENSOR_KINDS and SENSOR_KINDS[kind].is_curve
