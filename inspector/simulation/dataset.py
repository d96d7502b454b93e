"""Writes pieces of the synthetic line as a data set with a manifest, for training."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from inspector.dataset.manifest import ImageRow, Label, PieceRow, SignalRow, Split, write_manifest
from inspector.dataset.recordings import write_wav
from inspector.simulation.pieces import AUDIBLE, VISIBLE, LineSettings, SimulatedPiece, Truth, simulate_piece
from inspector.simulation.sound import SAMPLE_RATE_HZ

CAMERA, MICROPHONE = "top", "mic"
Only = Literal["top", "mic"]
"""The one source of a line that has no other."""
_SPLITS: tuple[tuple[Split, float], ...] = (("train", 0.6), ("calibration", 0.8), ("test", 1.0))


def write_dataset(
    folder: Path,
    num_pieces: int,
    settings: LineSettings,
    progress: Callable[[int], None] = lambda done: None,
    only: Only | None = None,
) -> Path:
    """Writes images, sounds and `manifest.jsonl`; returns the manifest's path. Existing files are overwritten. `only`:
    what this source alone records, and the defects that it shows."""
    for name in ("images", "signals"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(num_pieces):
        piece = simulate_piece(settings, number)
        row = manifest_row(piece, _split(number, num_pieces), only)
        for image, png in zip(row.images, piece.pngs if row.images else (), strict=True):
            (folder / image.path).write_bytes(png)
        for signal in row.signals:
            write_wav(folder / signal.path, piece.sound, SAMPLE_RATE_HZ)
        rows.append(row)
        progress(number + 1)
    path = folder / "manifest.jsonl"
    write_manifest(path, rows)
    return path


def _split(number: int, num_pieces: int) -> Split:
    share = (number + 0.5) / num_pieces
    return next(name for name, end in _SPLITS if share < end)


def manifest_row(piece: SimulatedPiece, split: Split, only: Only | None = None) -> PieceRow:
    """The line of the manifest: each piece is its own group, as no recording occurs twice."""
    whole = _whole_row(piece, split)
    if only is None:
        return whole
    defects = shown_defects(piece.truth, only)
    changes = {
        "images": whole.images if only == CAMERA else (),
        "signals": whole.signals if only == MICROPHONE else (),
        "label": "nok" if defects else "ok",
        "defects": defects,
        "groups": {"piece": piece.piece_id},
        "modality_labels": {},
    }
    return whole.model_copy(update=changes)


def shown_defects(truth: Truth, only: Only | None) -> tuple[str, ...]:
    """The defects of a piece that a line with this source alone can know."""
    if only is None:
        return truth.defects
    return tuple(name for name in truth.defects if name in (VISIBLE if only == CAMERA else AUDIBLE))


def _whole_row(piece: SimulatedPiece, split: Split) -> PieceRow:
    truth = piece.truth
    return PieceRow(
        piece_id=piece.piece_id,
        images=tuple(ImageRow(camera=CAMERA, path=_image_path(piece, n)) for n in range(len(piece.images))),
        signals=(
            SignalRow(
                sensor=MICROPHONE,
                kind="audio",
                sample_rate_hz=SAMPLE_RATE_HZ,
                path=f"signals/{piece.piece_id}.wav",
            ),
        ),
        label="nok" if truth.defects else "ok",
        defects=truth.defects,
        split=split,
        groups={"image": piece.piece_id, "signal": piece.piece_id},
        modality_labels={"image": _label(truth, VISIBLE), "signal": _label(truth, AUDIBLE)},
    )


def _image_path(piece: SimulatedPiece, frame: int) -> str:
    return f"images/{piece.piece_id}{f'-{frame}' if frame else ''}.png"


def _label(truth: Truth, names: tuple[str, ...]) -> Label:
    return "nok" if truth.nok(names) else "ok"
