"""The kinds of sensors, by name and by their number on the wire."""

from collections.abc import Mapping
from typing import cast

from protos.inspection.v1.records_pb2 import SignalKind
from streams.observation import SensorKind

NUMBERS: Mapping[str, SignalKind] = {
    "audio": SignalKind.SIGNAL_KIND_AUDIO,
    "vibration": SignalKind.SIGNAL_KIND_VIBRATION,
    "trace": SignalKind.SIGNAL_KIND_TRACE,
}
KINDS: Mapping[int, SensorKind] = {number: cast("SensorKind", kind) for kind, number in NUMBERS.items()}
