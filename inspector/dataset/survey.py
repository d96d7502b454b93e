"""Checks every file of a data set before anything is computed: unreadable files, odd ones out, and warnings."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from inspector.dataset.cameras import SurveyedCamera, check_image, row_size
from inspector.dataset.files import WHITE_ABOVE, layout_of, read_mask
from inspector.dataset.findings import Finding, in_order, listed
from inspector.dataset.forms import Form, odd_forms, still_channels
from inspector.dataset.manifest import ManifestError, PieceRow, SignalRow, scan_manifest
from inspector.dataset.progress import Progress, silent
from inspector.dataset.recordings import RecordingError, read_recording

STAGE = "files"


@dataclass(slots=True)
class Survey:
    """What the files of some rows hold."""

    unreadable: list[Finding] = field(default_factory=list)
    """One for each file."""
    odd: list[Finding] = field(default_factory=list)
    """Recordings that differ from the others of their camera or sensor; errors where training refuses them."""
    warnings: list[str] = field(default_factory=list)
    num_files: int = 0


def survey(manifest: Path, rows: Sequence[PieceRow], progress: Progress = silent) -> list[str]:
    """Warnings about the files of these rows, each read once. Raises ManifestError that lists each file that cannot be
    read, by manifest line and piece."""
    files = survey_files(manifest.parent, rows, progress)
    bad = [*files.unreadable, *(finding for finding in files.odd if finding.severity == "error")]
    if bad:
        lines = scan_manifest(manifest).lines
        raise ManifestError(listed(manifest, in_order(bad, lines), lines))
    return [*files.warnings, *(finding.text for finding in files.odd)]


def survey_files(root: Path, rows: Sequence[PieceRow], progress: Progress = silent) -> Survey:
    """Images are decoded only where their headers do not tell all; signals are read whole."""
    cameras: dict[str, SurveyedCamera] = defaultdict(SurveyedCamera)
    sensors: dict[str, list[Form]] = defaultdict(list)
    files = Survey()
    black: list[PieceRow] = []
    checks = list(_checks(root, rows, cameras, sensors, black))
    for done, (row, check) in enumerate(checks, 1):
        try:
            check()
        except (ManifestError, RecordingError) as exc:
            files.unreadable.append(Finding("recordings", str(exc), (row.piece_id,), "error"))
        progress(STAGE, done, len(checks))
    files.num_files = len(checks)
    files.warnings = [text for name, camera in sorted(cameras.items()) for text in camera.warnings(name)]
    for name, camera in sorted(cameras.items()):
        files.odd += odd_forms(f"camera {name}", camera.forms)
        files.odd += camera.constant_images(name)
    for name, forms in sorted(sensors.items()):
        files.odd += odd_forms(f"sensor {name}", forms)
        files.odd += still_channels(name, forms)
    files.odd += _black_masks(black)
    return files


def _checks(
    root: Path,
    rows: Sequence[PieceRow],
    cameras: dict[str, SurveyedCamera],
    sensors: dict[str, list[Form]],
    black: list[PieceRow],
) -> Iterator[tuple[PieceRow, Callable[[], None]]]:
    """Each file once, however many pieces share it."""
    known: set[str] = set()
    for row in rows:
        for image in (image for image in row.images if image.path not in known):
            known.add(image.path)
            yield row, partial(check_image, root, image, row.piece_id, cameras[image.camera])
        for signal in (signal for signal in row.signals if signal.path not in known):
            known.add(signal.path)
            yield row, partial(_check_signal, root, signal, row.piece_id, sensors[signal.sensor])
        if row.mask is not None and row.mask not in known:
            known.add(row.mask)
            yield row, partial(_check_mask, root, row, root / row.mask, black)


def _black_masks(rows: Sequence[PieceRow]) -> Iterator[Finding]:
    if rows:
        yield Finding(
            "recordings",
            f"{len(rows)} masks of defective pieces have no white pixel (above 127), the first is {rows[0].mask}: they "
            "teach that the piece is good everywhere; draw the defect in white (255), or leave the mask out",
            tuple(row.piece_id for row in rows),
        )


def _check_mask(root: Path, row: PieceRow, path: Path, black: list[PieceRow]) -> None:
    """A mask of a piece with a single image has its size. Raises ManifestError. Adds a row without a white pixel."""
    mask = read_mask(path)
    if row.label == "nok" and not (mask > WHITE_ABOVE).any():
        black.append(row)
    if len(row.images) != 1:
        return
    try:
        size = row_size(root, row.images[0])
    except ManifestError:
        return  # which its own check says
    if mask.shape != size:
        raise ManifestError(
            f"{path}: has {mask.shape[1]} x {mask.shape[0]} px, its image {size[1]} x {size[0]} px; correct the mask "
            "or leave it out of the manifest"
        )


def _check_signal(root: Path, signal: SignalRow, piece_id: str, forms: list[Form]) -> None:
    recording = read_recording(root / signal.path, signal.sample_rate_hz, signal.kind, layout_of(signal))
    forms.append(Form.of_signal(piece_id, signal, recording.samples))
