"""Reads the files of a manifest's row as the piece that they are: what a line would have received, whole.

The one place that reads files for evaluation and the golden set; what a recipe makes of them is `streams.whole`'s.
"""

from pathlib import Path

import numpy as np
import soundfile

from inspector.manifest import ImageRow, ManifestError, PieceRow, SignalRow
from inspector.recipe.model import Recipe
from inspector.recordings import Recording, RecordingError, read_recording
from protos.inspection.v1.records_pb2 import PixelFormat
from streams.images import decode_file
from streams.limits import Finding, Limits
from streams.observation import Closing, Image, InspectionId, Observation
from streams.whole import Sound, WholePiece, clips_of, views_of

FORMATS = {
    ".png": PixelFormat.PIXEL_FORMAT_PNG,
    ".jpg": PixelFormat.PIXEL_FORMAT_JPEG,
    ".jpeg": PixelFormat.PIXEL_FORMAT_JPEG,
}
FULL_SCALE = np.float32(32768)


def received(root: Path, row: PieceRow) -> WholePiece:
    """Raises ManifestError, RecordingError for a file that cannot be used, by its name."""
    images: dict[str, list[Image]] = {}
    for source in row.images:
        images.setdefault(source.camera, []).append(read_image(root, source))
    return WholePiece(images, {source.sensor: _sound(root, source) for source in row.signals})


def assembled(piece: WholePiece, row: PieceRow, recipe: Recipe | None, inspection: InspectionId) -> Observation:
    """What the service makes of the piece by this recipe, of no moment; None: no recipe fits. Raises ManifestError."""
    spec = None if recipe is None else recipe.assembly
    try:
        clips = {} if spec is None else clips_of(spec, piece)
    except Finding as finding:
        raise ManifestError(f"piece {row.piece_id}: {finding.detail}") from finding
    return Observation(
        inspection=inspection,
        product=row.product,
        lot="",
        closing=Closing.NO_RECIPE if spec is None else Closing.COMPLETE,
        views={} if spec is None else views_of(spec, piece),
        clips=clips,
        entry_ns=0,
        capture_ns=0,
        append_ns=0,
        arrival_ns=0,
    )


def read_image(root: Path, source: ImageRow) -> Image:
    """By the line's decoder. Raises ManifestError."""
    path = root / source.path
    form, data = read_image_file(path)
    try:
        return decode_file(data, form, Limits())
    except Finding as finding:
        raise ManifestError(f"{path}: {finding.detail}") from finding


def read_image_file(path: Path) -> tuple[PixelFormat, bytes]:
    """Format by its name and bytes of an image file. Raises ManifestError."""
    form = FORMATS.get(path.suffix.lower())
    if form is None:
        raise ManifestError(f"{path}: a line sends .png and .jpg as they are; convert the image")
    try:
        return form, path.read_bytes()
    except OSError as exc:
        raise ManifestError(f"{path}: cannot be read ({exc.strerror}); restore the file or its line") from exc


def read_sound(root: Path, source: SignalRow) -> Recording:
    """FLAC too. Raises RecordingError."""
    path = root / source.path
    if path.suffix.lower() != ".flac":
        return read_recording(path, source.sample_rate_hz)
    try:
        samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as exc:
        raise RecordingError(f"{path}: cannot be read as FLAC ({exc}); restore the file or its line") from exc
    if rate_hz != source.sample_rate_hz:
        raise RecordingError(
            f"{path}: is sampled at {rate_hz} Hz, the manifest says {source.sample_rate_hz:g} Hz; correct the manifest "
            "or resample the file"
        )
    return Recording(samples, float(rate_hz))


def _sound(root: Path, source: SignalRow) -> Sound:
    recording = read_sound(root, source)
    samples = recording.samples
    whole = samples.astype(np.float32) / FULL_SCALE if samples.dtype == np.int16 else samples.astype(np.float32)
    return Sound(source.kind, whole, recording.sample_rate_hz)
