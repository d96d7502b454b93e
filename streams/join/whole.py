"""Turns all recordings of a piece into views and clips, by the rules of the join.

Files and `Inspect` deliver a piece at once, a line delivers it in parts. The rules for present, missing and incomplete
recordings are shared here, so that a piece gets the same verdict either way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from protos.inspection.v1.records_pb2 import DeadLetterReason
from streams.decode.limits import RecordError
from streams.join.assembly import AssemblySpec, CameraSpec, SensorSpec
from streams.join.clips import Rate
from streams.observation import Clip, Image, MissingReason, ModalityKind, Span, State, View


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """The recording of one sensor: samples (num_samples, num_channels), full scale 1.0 for integers."""

    kind: ModalityKind
    samples: NDArray[np.float32]
    sample_rate_hz: float


@dataclass(frozen=True, slots=True, eq=False)
class WholePiece:
    """All recordings of one piece, before a recipe is applied."""

    images: Mapping[str, Sequence[Image]] = field(default_factory=dict)
    """By camera, in order of sequence."""
    sounds: Mapping[str, Sound] = field(default_factory=dict)
    """By sensor; without samples it counts as not received."""


def window_length(sensor: SensorSpec) -> int:
    """Number of samples in a fully covered window, as in the join; tolerates one nanosecond of rounding."""
    length_ns = round(sensor.end_s * 1e9) - round(sensor.start_s * 1e9)
    return Rate(sensor.sample_rate_hz).slots(length_ns + 1)


def views_of(spec: AssemblySpec, piece: WholePiece) -> dict[str, View]:
    """A view of every camera of the recipe. Ignores images beyond its `num_frames`, as on a line."""
    images = {camera.name: tuple(piece.images.get(camera.name, ()))[: camera.num_frames] for camera in spec.cameras}
    return {camera.name: view_of(camera, images[camera.name]) for camera in spec.cameras}


def view_of(
    camera: CameraSpec,
    images: tuple[Image, ...],
    failure: MissingReason | None = None,
    offsets: tuple[int, ...] = (),
) -> View:
    """`failure` is the reason why received images are unusable; `offsets` are those of the images' records."""
    coverage = min(1.0, len(images) / camera.num_frames)
    state, absence = State.PRESENT, None
    if coverage < 1.0:
        default = MissingReason.COVERAGE if images else MissingReason.NOT_RECEIVED
        state, absence = State.MISSING, failure or default
    return View(camera.name, images, state, absence, coverage, offsets=offsets, bit_depth=camera.bit_depth)


def clips_of(spec: AssemblySpec, piece: WholePiece) -> dict[str, Clip]:
    """A clip of every sensor of the recipe. Raises RecordError for a recording of another kind, rate or number of
    channels."""
    return {sensor.name: _clip(sensor, piece) for sensor in spec.sensors}


def _clip(sensor: SensorSpec, piece: WholePiece) -> Clip:
    sound = piece.sounds.get(sensor.name)
    if sound is not None:
        check_format(sensor, sound)
    if sensor.bind == "time" and sensor.anchor != "entered" and not piece.images.get(sensor.anchor):
        return absent(sensor, MissingReason.NO_ANCHOR)
    if sound is None or not len(sound.samples):
        return absent(sensor, MissingReason.NOT_RECEIVED)
    if sensor.bind == "piece":
        return clip_of(sensor, sound.samples, 1.0)
    length = window_length(sensor)
    coverage = min(len(sound.samples), length) / length
    return clip_of(sensor, _in_window(sound.samples, length), coverage)


def _in_window(samples: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    """The samples from the window's start, padded with zeros at the end."""
    if len(samples) >= length:
        return samples[:length]
    filled = np.zeros((length, samples.shape[1]), np.float32)
    filled[: len(samples)] = samples
    return filled


def clip_of(
    sensor: SensorSpec,
    samples: NDArray[np.float32],
    coverage: float,
    first_ns: int = 0,
    spans: tuple[Span, ...] = (),
) -> Clip:
    """The clip of a window; missing if its coverage is too low. `spans` are the places of its samples in the log."""
    if coverage < sensor.min_coverage:
        return absent(sensor, MissingReason.COVERAGE, coverage=coverage)
    rate_hz = sensor.sample_rate_hz
    return Clip(
        sensor.name, sensor.kind, samples, rate_hz, State.PRESENT, coverage=coverage, first_ns=first_ns, spans=spans
    )


def absent(sensor: SensorSpec, why: MissingReason, state: State = State.MISSING, coverage: float = 0.0) -> Clip:
    return Clip(sensor.name, sensor.kind, None, sensor.sample_rate_hz, state, why, coverage)


def check_format(sensor: SensorSpec, sound: Sound) -> None:
    """Raises RecordError for a recording that does not match the recipe."""
    channels = sound.samples.shape[1]
    if sound.kind != sensor.kind:
        raise wrong_format(f"sensor {sensor.name}: kind is {sound.kind}, expected {sensor.kind} as in the recipe")
    if sound.sample_rate_hz != sensor.sample_rate_hz:
        raise wrong_format(
            f"sensor {sensor.name}: {sound.sample_rate_hz:g} Hz, expected {sensor.sample_rate_hz:g} Hz: resample it"
        )
    if channels != sensor.num_channels:
        raise wrong_format(
            f"sensor {sensor.name}: {channels} channels, expected {sensor.num_channels}: send the recipe's"
        )


def wrong_format(detail: str) -> RecordError:
    return RecordError(DeadLetterReason.DEAD_LETTER_REASON_WRONG_FORMAT, detail)
