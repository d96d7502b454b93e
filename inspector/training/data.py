"""Reads each recording of a manifest once, with its targets and group."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from inspector.bundle.schema import Modality
from inspector.dataset.files import WHITE_ABOVE, Recording, read_mask, sources_of
from inspector.dataset.labels import own_group, own_label
from inspector.dataset.manifest import ImageRow, Label, ManifestError, PieceRow, SignalRow
from inspector.dataset.recordings import Clip
from inspector.framing.framer import Framer
from inspector.training.framed import Framed, FramedReader


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
    reader = FramedReader(root, modality)
    read = {path: (reader.read(source), owners[path]) for path, source in by_path.items()}
    reader.refuse()
    examples = _Examples(root, modality, classes, reader.framer, soft)
    return {path: examples.example(framed, of) for path, (framed, of) in read.items() if framed is not None}


class _Examples(NamedTuple):
    root: Path
    modality: Modality
    classes: Sequence[str]
    framer: Framer | None
    soft: bool

    def example(self, framed: Framed, owners: Sequence[PieceRow]) -> Example:
        modality = self.modality
        labels = [own_label(row, modality) or row.label for row in owners]
        targets = [
            targets_of(row, label, self.classes, modality.classes, row.defect_probability if self.soft else None)
            for row, label in zip(owners, labels, strict=True)
        ]
        mask = self._mask(framed, owners[-1], labels[-1])
        mean = np.asarray(np.mean(targets, axis=0, dtype=np.float32), np.float32)
        return Example(framed.recording, mean, own_group(owners[-1], modality), mask)

    def _mask(self, framed: Framed, owner: PieceRow, label: Label) -> NDArray[np.bool_] | None:
        """Framed as the picture is; None for a signal."""
        recording = framed.recording
        if isinstance(recording, Clip):
            return None
        if framed.placement is None or self.framer is None or label == "ok":
            return _mask(self.root, recording.shape[:2], owner, label)
        whole = self.modality.framing
        size = recording.shape[:2] if whole is None else (whole.height_px, whole.width_px)
        mask = _mask(self.root, size, owner, label)
        return None if mask is None else self.framer.cut_mask(mask, framed.placement)


def _mask(root: Path, shape: tuple[int, ...], owner: PieceRow, label: Label) -> NDArray[np.bool_] | None:
    """Mask of a piece with a single image: with several, the manifest does not say which one it belongs to."""
    if len({image.camera for image in owner.images}) != 1:
        return None
    if label == "ok":
        return np.zeros(shape, np.bool_)
    if owner.mask is None or len(owner.images) != 1:
        return None
    mask = read_mask(root / owner.mask)
    if mask.shape != shape:
        fault = f"is {mask.shape}, its image {shape}"
        raise ManifestError(f"{root / owner.mask}: {fault}; correct the mask or leave it out of the manifest")
    return np.asarray(mask > WHITE_ABOVE, np.bool_)
