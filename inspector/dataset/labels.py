"""Turns the rows of a manifest into labels, classes and groups of each camera and sensor. Reads no recording."""

from collections import Counter
from collections.abc import Sequence

from inspector.bundle.schema import Modality
from inspector.dataset.bit_depths import bit_depths
from inspector.dataset.manifest import Label, PieceRow

ATTRIBUTABLE = 0.95
"""A class belongs to a modality that is labelled nok in at least this share of the pieces with the class."""


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

    Groups of the other kind alone are ignored, unless there are no others.
    """
    shared = {name: value for name, value in row.groups.items() if name not in ("image", "signal")} or row.groups
    joint = "/".join(f"{name}={value}" for name, value in sorted(shared.items()))
    return row.groups.get(modality.name, row.groups.get(_general(modality), joint))


def units_of(row: PieceRow, modalities: Sequence[Modality]) -> frozenset[str]:
    """The independent recordings behind a piece: those that show its defect where that is known, else all."""
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
