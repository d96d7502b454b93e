"""Decides which cameras and sensors of a piece are complete, and for which the waiting time has passed."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from streams.decode.items import EventKind
from streams.join.assembly import JoinSettings, SensorSpec
from streams.join.clips import SECOND_NS, SensorStream
from streams.join.looks import Waits
from streams.join.pieces import Piece
from streams.observation import CloseReason

_ROUNDING_NS = 4
"""A window is whole when its last sample is there, which may end up to one sample and a rounding before it."""


class SourceState(Enum):
    WAITING = "waiting"
    PASSED = "passed"
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class Moment:
    """The present of a station: event time, its sensors' data, and the monotonic clock for fetched images."""

    clock_ns: int
    now_s: float
    streams: Mapping[str, SensorStream]
    settings: JoinSettings


def source_states(piece: Piece, moment: Moment) -> dict[str, SourceState]:
    """The state of every camera and sensor that the recipe names."""
    if piece.spec is None:
        return {}
    cameras = {camera.name: _camera(piece, camera.name, camera.num_frames, moment) for camera in piece.spec.cameras}
    sensors = {sensor.name: _sensor(piece, sensor, cameras, moment) for sensor in piece.spec.sensors}
    return cameras | sensors


def close_reason(piece: Piece, states: Mapping[str, SourceState]) -> CloseReason | None:
    """Why the piece closes now; None while it waits for a source."""
    if EventKind.ABORTED in piece.events:
        return CloseReason.ABORTED
    if piece.spec is None:
        return CloseReason.NO_RECIPE
    if SourceState.WAITING in states.values():
        return None
    return CloseReason.PASSED if SourceState.PASSED in states.values() else CloseReason.COMPLETE


def waits_of(piece: Piece, states: Mapping[str, SourceState], moment: Moment) -> Waits:
    """When the state of a waiting source may change without a record of the piece."""
    ends_ns: list[int] = []
    data_ns: dict[str, int] = {}
    gaps: set[str] = set()
    for name in [name for name, state in states.items() if state is SourceState.WAITING]:
        sensor = piece.sensor(name)
        if sensor is None or sensor.bind == "piece":
            ends_ns.append(_last_capture_ns(piece))
            continue
        window = piece.window(sensor, camera_done=states.get(sensor.anchor) is not SourceState.WAITING)
        if window is None:  # until its camera is done
            continue
        ends_ns.append(window.end_ns)
        data_ns[name] = whole_ns = window.end_ns - round(SECOND_NS / sensor.sample_rate_hz) - _ROUNDING_NS
        stream = moment.streams.get(name)
        if stream is not None and stream.newest_ns is not None and stream.newest_ns >= whole_ns:
            data_ns[name] = max(window.start_ns + 1, window.end_ns + round(moment.settings.reorder_s * SECOND_NS))
            gaps.add(name)
    delay_ns = round(moment.settings.max_delay_s * SECOND_NS)
    due_ns = [end_ns + delay_ns for end_ns in ends_ns if end_ns + delay_ns > moment.clock_ns]
    return Waits(min(due_ns, default=None), data_ns, frozenset(gaps))


def _camera(piece: Piece, camera: str, num_frames: int, moment: Moment) -> SourceState:
    if piece.num_images(camera) >= num_frames:
        return SourceState.COMPLETE
    if piece.is_decoding(camera):
        return SourceState.WAITING
    if piece.is_fetching(camera) and (piece.fetch_by_s is None or moment.now_s < piece.fetch_by_s):
        return SourceState.WAITING
    if piece.num_images(camera) + piece.num_failed(camera) >= num_frames:
        return SourceState.PASSED
    return _passed(moment, _last_capture_ns(piece))


def _sensor(piece: Piece, sensor: SensorSpec, cameras: Mapping[str, SourceState], moment: Moment) -> SourceState:
    if sensor.bind == "piece":
        return SourceState.COMPLETE if sensor.name in piece.traces else _passed(moment, _last_capture_ns(piece))
    camera_done = cameras.get(sensor.anchor, SourceState.PASSED) is not SourceState.WAITING
    window = piece.window(sensor, camera_done=camera_done)
    if window is None:
        return SourceState.PASSED if camera_done else SourceState.WAITING
    stream = moment.streams.get(sensor.name)
    if stream is not None and stream.newest_ns is not None and stream.newest_ns > window.start_ns:
        if stream.coverage(window) == 1.0:
            return SourceState.COMPLETE
        if stream.newest_ns >= window.end_ns + round(moment.settings.reorder_s * SECOND_NS):
            return SourceState.PASSED
    return _passed(moment, window.end_ns)


def _last_capture_ns(piece: Piece) -> int:
    """No frame of the piece is captured after this: its capture span, or the `left` event before that."""
    span_s = piece.spec.capture_span_s if piece.spec else 0.0
    return min(piece.entry_ns + round(span_s * SECOND_NS), piece.events.get(EventKind.LEFT, 2**63))


def _passed(moment: Moment, end_ns: int) -> SourceState:
    """PASSED once the station's clock is the maximum delay beyond `end_ns`."""
    has_passed = moment.clock_ns >= end_ns + round(moment.settings.max_delay_s * SECOND_NS)
    return SourceState.PASSED if has_passed else SourceState.WAITING
