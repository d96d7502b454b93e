"""Reads the files of a manifest's row as the piece that a line would have received.

The one place that reads files for evaluation and the golden set; `streams.join.whole` applies the recipe's rules.
"""

from pathlib import Path

from inspector.dataset.files import read_row_image, read_signal
from inspector.dataset.manifest import ManifestError, PieceRow
from streams.decode.limits import RecordError
from streams.join.assembly import AssemblySpec
from streams.join.whole import Sound, WholePiece, clips_of, views_of
from streams.observation import CloseReason, Image, InspectionId, Observation


def received(root: Path, row: PieceRow) -> WholePiece:
    """Raises ManifestError, RecordingError for a file that cannot be used, by its name."""
    images: dict[str, list[Image]] = {}
    for source in row.images:
        images.setdefault(source.camera, []).append(read_row_image(root, source))
    sounds = {}
    for signal in row.signals:
        clip = read_signal(root, signal)
        sounds[signal.sensor] = Sound(signal.kind, clip.samples, clip.sample_rate_hz)
    return WholePiece(images, sounds)


def assembled(piece: WholePiece, row: PieceRow, spec: AssemblySpec | None, inspection: InspectionId) -> Observation:
    """The service's observation of the piece, without times; `spec` None: no recipe fits. Raises ManifestError."""
    try:
        clips = {} if spec is None else clips_of(spec, piece)
    except RecordError as error:
        raise ManifestError(f"piece {row.piece_id}: {error.detail}") from error
    return Observation(
        inspection=inspection,
        product=row.product,
        lot="",
        closing=CloseReason.NO_RECIPE if spec is None else CloseReason.COMPLETE,
        views={} if spec is None else views_of(spec, piece),
        clips=clips,
        entry_ns=0,
        capture_ns=0,
        append_ns=0,
        arrival_ns=0,
    )
