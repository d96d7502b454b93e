"""Reads each recording of a manifest once, with its targets and group."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from encoders.front_end import Image
from inspector.bundle.schema import Modality
from inspector.dataset.files import Recording, read_mask, read_source, sources_of
from inspector.dataset.labels import own_group, own_label
from inspector.dataset.manifest import ImageRow, Label, ManifestError, PieceRow, SignalRow
from inspector.dataset.recordings import Clip


@dataclass(frozen=True, eq=False)
class Example:
    """One recording of one modality, however many pieces share it."""

    recording: Recording
    targets: NDArray[np.float32]
    """(1 + K): defective, then one per class; NaN is unknown."""
    group: str
    mask: NDArray[np.bool_] | None = None
    """(H, W) true where the defect is; None if unknown, or for a signal; all false for a good picture."""


def targets_of(
    row: PieceRow, label: Label, classes: Sequence[str], shown: Sequence[str], soft: float | None = None
) -> NDArray[np.float32]:
    """(1 + K) for a label of a piece or of one modality; classes that the modality cannot show are 0. `soft`: target of
    the defect where the label is unknown."""
    values = np.full(1 + len(classes), np.nan, np.float32)
    if label == "unknown":
        values[0] = np.nan if soft is None else soft
        return values
    values[0] = label == "nok"
    values[1:] = [label == "nok" and name in shown and name in row.defects for name in classes]
    return values


def examples(
    root: Path, rows: Sequence[PieceRow], modality: Modality, classes: Sequence[str], *, soft: bool = False
) -> dict[str, Example]:
    """Every recording of a modality once, by path; its target is the mean over its pieces. `soft`: an uncertain piece
    counts with its probability, and otherwise not at all.

    Each of several images of a piece has the label of the piece: the manifest does not say which one shows the defect.
    """
    by_path: dict[str, ImageRow | SignalRow] = {}
    owners: dict[str, list[PieceRow]] = defaultdict(list)
    for row in rows:
        for path, source in {recording.path: recording for recording in sources_of(row, modality.name)}.items():
            by_path[path] = source
            owners[path].append(row)
    return {path: _example(root, source, owners[path], modality, classes, soft) for path, source in by_path.items()}


def _example(
    root: Path,
    source: ImageRow | SignalRow,
    owners: Sequence[PieceRow],
    modality: Modality,
    classes: Sequence[str],
    soft: bool,
) -> Example:
    labels = [own_label(row, modality) or row.label for row in owners]
    targets = [
        targets_of(row, label, classes, modality.classes, row.defect_probability if soft else None)
        for row, label in zip(owners, labels, strict=True)
    ]
    recording = read_source(root, source)
    mask = None if isinstance(recording, Clip) else _mask(root, recording, owners[-1], labels[-1])
    return Example(recording, np.mean(targets, axis=0, dtype=np.float32), own_group(owners[-1], modality), mask)


def _mask(root: Path, picture: Image, owner: PieceRow, label: Label) -> NDArray[np.bool_] | None:
    """Mask of a piece with a single image: with several, the manifest does not say which one it belongs to."""
    if len({image.camera for image in owner.images}) != 1:
        return None
    if label == "ok":
        return np.zeros(picture.shape[:2], np.bool_)
    if owner.mask is None or len(owner.images) != 1:
        return None
    mask = read_mask(root / owner.mask)
    if mask.shape != picture.shape[:2]:
        fault = f"is {mask.shape}, its image {picture.shape[:2]}"
        raise ManifestError(f"{root / owner.mask}: {fault}; correct the mask or leave it out of the manifest")
    return np.asarray(mask > 127, np.bool_)
