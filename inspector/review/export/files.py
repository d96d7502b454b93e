"""Writes the kept recordings of pieces into a data set's folder, as rows of a manifest name them."""

import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from inspector.archive.recordings.objects import ObjectDamagedError, ObjectMissingError
from inspector.archive.rows import KeptRecording
from inspector.dataset.manifest import ImageRow, SignalRow

FOLDER = "recordings"
MAX_FILE_BYTES = 2**30


class RecordingStore(Protocol):
    """The part of an object store that is used."""

    def get(self, digest: str, max_bytes: int) -> bytes:
        """Raises ObjectMissingError, ObjectDamagedError, ObjectStoreError."""


class RecordingGoneError(Exception):
    """A kept recording cannot be read; the message says why."""


def path_of(recording: KeptRecording) -> str:
    """Where the recording lies, relative to the manifest: equal recordings are one file."""
    return f"{FOLDER}/{recording.sha256}.{recording.format}"


def write_recordings(folder: Path, recordings: Sequence[KeptRecording], store: RecordingStore) -> None:
    """Writes those that are not there yet. Raises RecordingGoneError, OSError."""
    for recording in recordings:
        path = folder / path_of(recording)
        if not path.exists():
            part = path.with_suffix(".part")
            part.write_bytes(_content(recording, store))
            part.replace(path)


def _content(recording: KeptRecording, store: RecordingStore) -> bytes:
    try:
        return store.get(recording.sha256 or "", MAX_FILE_BYTES)
    except (ObjectMissingError, ObjectDamagedError) as exc:
        raise RecordingGoneError(f"a recording of {recording.source} is lost: {exc}") from exc


def image_row(recording: KeptRecording) -> ImageRow:
    """Kept as judged: values lie at full scale, so that the manifest states no bit depth."""
    return ImageRow(camera=recording.source, path=path_of(recording))


def signal_row(recording: KeptRecording) -> SignalRow:
    rate_hz = float(json.loads(recording.detail)["sample_rate_hz"])
    return SignalRow.model_validate(
        {"sensor": recording.source, "kind": recording.kind, "sample_rate_hz": rate_hz, "path": path_of(recording)}
    )


def png_size(path: Path) -> tuple[int, int]:
    """Width and height by the file's head."""
    with path.open("rb") as file:
        head = file.read(24)
    width, height = struct.unpack(">II", head[16:24])
    return width, height
