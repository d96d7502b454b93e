"""Turns the recordings of a piece into files that hold them exactly, and such files into recordings again."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

from inspector.archive.recordings.missing import InputError, MissingInput, Why
from inspector.dataset.lossless_files import LosslessFileError, clip_file, image_file, read_clip, read_image
from streams.decode.limits import Limits
from streams.join.whole import Sound
from streams.observation import Clip, Image, ModalityKind, Observation, View

LIMITS = replace(Limits(), max_samples=2**27)
"""Of files in the store: a clip may be of many records."""


@dataclass(frozen=True, slots=True)
class RecordingFile:
    """One image or clip as a file."""

    source: str
    sequence: int
    """Position among the camera's judged images; 0 for a clip."""
    kind: ModalityKind
    format: str
    """png, flac or npy."""
    content: bytes
    detail: str
    """What else is known, as a JSON object: of an image the bits that its records used, where it was scaled from them;
    of a clip the rate and the time of its first sample."""


def files_of(piece: Observation) -> tuple[list[RecordingFile], list[MissingInput]]:
    """The files, and recordings that no file can hold."""
    files: list[RecordingFile] = []
    failed: list[MissingInput] = []
    for source, sequence, recording in _recordings(piece):
        try:
            files.append(_file(source, sequence, recording))
        except LosslessFileError as error:
            failed.append(MissingInput(source, sequence, Why.TOO_LARGE, str(error)))
    return files, failed


def _recordings(piece: Observation) -> Iterator[tuple[str, int, Clip | tuple[View, Image]]]:
    for camera, view in piece.views.items():
        for sequence, image in enumerate(view.images):
            yield camera, sequence, (view, image)
    for sensor, clip in piece.clips.items():
        if clip.samples is not None:
            yield sensor, 0, clip


def _file(source: str, sequence: int, recording: Clip | tuple[View, Image]) -> RecordingFile:
    """Raises LosslessFileError."""
    if isinstance(recording, tuple):
        view, image = recording
        suffix, content = image_file(image, LIMITS)
        detail: dict[str, object] = {} if view.bit_depth is None else {"bit_depth": view.bit_depth}
        return RecordingFile(source, sequence, "image", suffix[1:], content, _json(detail))
    if recording.samples is None:
        raise AssertionError("only clips with samples have a file")
    suffix, content = clip_file(recording.samples, recording.sample_rate_hz, LIMITS)
    detail = {"sample_rate_hz": recording.sample_rate_hz, "first_ns": recording.first_ns}
    return RecordingFile(source, sequence, recording.kind, suffix[1:], content, _json(detail))


def image_of(format_: str, content: bytes) -> Image:
    """The image of a file. Raises InputError."""
    try:
        return read_image(f"the {format_} file", content, LIMITS)
    except LosslessFileError as error:
        raise InputError(Why.UNREADABLE, str(error)) from error


def sound_of(kind: ModalityKind, format_: str, content: bytes, detail: str) -> Sound:
    """The clip of a file. Raises InputError."""
    try:
        rate_hz = json.loads(detail)["sample_rate_hz"]
        return Sound(kind, read_clip(f"clip.{format_}", content, LIMITS), float(rate_hz))
    except (LosslessFileError, ValueError, KeyError, TypeError) as error:
        raise InputError(Why.UNREADABLE, str(error)) from error


def _json(detail: dict[str, object]) -> str:
    return json.dumps(detail, separators=(",", ":"))
