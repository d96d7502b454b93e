"""Reads a manifest's recordings once each, with their targets and groups. Knows no network and no augmentation."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from encoders.front_end import Image
from inspector.bundle.schema import Modality
from inspector.dataset.bit_depths import bit_depths
from inspector.dataset.files import Recording, read_source, sources_of
from inspector.dataset.manifest import ImageRow, Label, ManifestError, PieceRow, SignalRow
from inspector.dataset.recordings import Clip

ATTRIBUTABLE = 0.95
"""A class belongs to a modality that is labelled nok in at least this share of the pieces with the class."""


@dataclass(frozen=True, eq=False)
class Example:
    """One recording of one modality, however many pieces share it."""

    recording: Recording
    targets: NDArray[np.float32]
    """(1 + K): defective, then one per class; NaN is unknown."""
    group: str
    mask: NDArray[np.bool_] | None = None
    """(H, W) where the defect is; None is unknown, or a signal. A good picture has none anywhere."""


def modalities_of(rows: Sequence[PieceRow]) -> tuple[Modality, ...]:
    """Cameras, then sensors, each with the classes that it can show, judged by the labels per modality if there."""
    cameras = sorted({image.camera for row in rows for image in row.images})
    sensors = sorted({(signal.sensor, signal.kind) for row in rows for signal in row.signals})
    depths = bit_depths(rows)
    bare = [Modality(name=name, kind="image", bit_depth=depths[name]) for name in cameras]
    bare += [Modality(name=name, kind=kind) for name, kind in sensors]
    return tuple(modality.model_copy(update={"classes": _own_classes(rows, modality)}) for modality in bare)


def classes_of(rows: Sequence[PieceRow]) -> tuple[str, ...]:
    return tuple(sorted({name for row in rows for name in row.defects}))


def _own_classes(rows: Sequence[PieceRow], modality: Modality) -> tuple[str, ...]:
    labelled = [(row, own_label(row, modality)) for row in rows]
    seen = Counter(name for row, label in labelled if label in ("ok", "nok") for name in row.defects)
    bad = Counter(name for row, label in labelled if label == "nok" for name in row.defects)
    return tuple(name for name in classes_of(rows) if bad[name] >= ATTRIBUTABLE * seen[name])


def own_label(row: PieceRow, modality: Modality) -> Label | None:
    """The label of this modality alone, under its name or else under `image` or `signal`; None where there is none."""
    return row.modality_labels.get(modality.name, row.modality_labels.get(_general(modality)))


def _general(modality: Modality) -> str:
    return "image" if modality.kind == "image" else "signal"


def own_group(row: PieceRow, modality: Modality) -> str:
    """The group of this modality's recording, under its name or else under `image` or `signal`, or else all groups.

    Those that are only of the other kind say nothing of it, unless there are no more.
    """
    shared = {name: value for name, value in row.groups.items() if name not in ("image", "signal")} or row.groups
    joint = "/".join(f"{name}={value}" for name, value in sorted(shared.items()))
    return row.groups.get(modality.name, row.groups.get(_general(modality), joint))


def units_of(row: PieceRow, modalities: Sequence[Modality]) -> frozenset[str]:
    """What the evidence of a piece rests on: the recordings that carry its defect where that is known, else all."""
    labels = {modality.name: own_label(row, modality) for modality in modalities}
    carriers = [m for m in modalities if labels[m.name] == "nok"] if row.label == "nok" else []
    return frozenset(_unit(row, m, modalities) for m in carriers or modalities)


def _unit(row: PieceRow, modality: Modality, modalities: Sequence[Modality]) -> str:
    """A group under the name of all that it covers: two cameras that saw one specimen are one piece of evidence."""
    general, group = _general(modality), own_group(row, modality)
    if modality.name in row.groups:
        return f"{modality.name}={group}"
    if general in row.groups:
        return f"{'+'.join(m.name for m in modalities if _general(m) == general)}={group}"
    return group


def targets_of(row: PieceRow, label: Label, classes: Sequence[str], own: Sequence[str]) -> NDArray[np.float32]:
    """(1 + K) for a label of a piece or of one modality; classes that the modality cannot show are 0."""
    values = np.full(1 + len(classes), np.nan, np.float32)
    if label == "unknown":
        return values
    values[0] = label == "nok"
    values[1:] = [label == "nok" and name in own and name in row.defects for name in classes]
    return values


def examples(root: Path, rows: Sequence[PieceRow], modality: Modality, classes: Sequence[str]) -> dict[str, Example]:
    """Every recording of a modality once, by its path; without own labels, with the mean of its pieces' targets.

    Each of several images of a piece has the label of the piece: nobody says in which of them the defect shows.
    """
    found: dict[str, ImageRow | SignalRow] = {}
    owners: dict[str, list[PieceRow]] = defaultdict(list)
    for row in rows:
        for path, source in {own.path: own for own in sources_of(row, modality.name)}.items():
            found[path] = source
            owners[path].append(row)
    return {path: _example(root, source, owners[path], modality, classes) for path, source in found.items()}


def _example(
    root: Path, source: ImageRow | SignalRow, owners: Sequence[PieceRow], modality: Modality, classes: Sequence[str]
) -> Example:
    labels = [own_label(row, modality) or row.label for row in owners]
    targets = [targets_of(row, label, classes, modality.classes) for row, label in zip(owners, labels, strict=True)]
    recording = read_source(root, source)
    mask = None if isinstance(recording, Clip) else _mask(root, recording, owners[-1], labels[-1])
    return Example(recording, np.mean(targets, axis=0, dtype=np.float32), own_group(owners[-1], modality), mask)


def _mask(root: Path, picture: Image, owner: PieceRow, label: Label) -> NDArray[np.bool_] | None:
    """Of the only image: with more, a manifest's one mask does not say whose it is."""
    if len({image.camera for image in owner.images}) != 1:
        return None
    if label == "ok":
        return np.zeros(picture.shape[:2], np.bool_)
    if owner.mask is None or len(owner.images) != 1:
        return None
    mask = cv2.imread(str(root / owner.mask), cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)
    if mask is None or mask.shape != picture.shape[:2]:
        found = "cannot be read" if mask is None else f"is {mask.shape}, its image {picture.shape[:2]}"
        raise ManifestError(f"{root / owner.mask}: {found}; mend the mask or leave it out of the manifest")
    return np.asarray(mask > 127, np.bool_)
