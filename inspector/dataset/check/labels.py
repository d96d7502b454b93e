"""Gaps in the labels of a manifest: labels per modality, classes, contradictions."""

from collections import Counter
from collections.abc import Iterator, Sequence

from inspector.dataset.check.labelled import Labelled, in_split
from inspector.dataset.files import sources_of
from inspector.dataset.findings import Finding
from inspector.dataset.labels import own_label
from inspector.dataset.manifest import PieceRow, Split

_FITTED: tuple[Split, ...] = ("train", "calibration")


def label_findings(dataset: Labelled) -> Iterator[Finding]:
    """All warnings."""
    yield from _missing_labels(dataset)
    yield from _unknown_names(dataset)
    yield from _one_sided(dataset)
    yield from _good_with_bad_parts(dataset)
    yield from _without_class(dataset)


def _missing_labels(dataset: Labelled) -> Iterator[Finding]:
    """With the label of the piece, an expert is trained on defects that its recording cannot show."""
    if len(dataset.modalities) < 2:
        return
    defective = [row for split in _FITTED for row in in_split(dataset.rows, split) if row.label == "nok"]
    for modality in dataset.modalities:
        seen = [row for row in defective if sources_of(row, modality.name)]
        unlabelled = [row for row in seen if own_label(row, modality) is None]
        if unlabelled:
            yield Finding(
                "labels",
                f"{len(unlabelled)} of {len(seen)} defective pieces have no label for {modality.name} alone, so its "
                "experts learn defects that only others show: add modality_labels to the manifest, or say in "
                f'train.toml what each class shows in, such as [labels] {_example(dataset)} = ["{modality.name}"] '
                f"if it shows in {modality.name} (`data check --config train.toml` counts them)",
                _ids(unlabelled),
            )


def _example(dataset: Labelled) -> str:
    return f'"{dataset.classes[0]}"' if dataset.classes else "crack"


def _unknown_names(dataset: Labelled) -> Iterator[Finding]:
    known = {"image", "signal", *(modality.name for modality in dataset.modalities)}
    strange = {name for row in dataset.rows for name in row.modality_labels} - known
    if strange:
        yield Finding(
            "labels",
            f"modality_labels names {', '.join(sorted(strange))}, which is no camera or sensor of the manifest, so the "
            f"label is ignored: use one of {', '.join(sorted(known))}",
            _ids([row for row in dataset.rows if strange & set(row.modality_labels)]),
        )


def _one_sided(dataset: Labelled) -> Iterator[Finding]:
    for modality in dataset.modalities:
        for split in _FITTED:
            rows = [row for row in in_split(dataset.rows, split) if sources_of(row, modality.name)]
            labels = {own_label(row, modality) or row.label for row in rows}
            missing = sorted({"ok", "nok"} - labels)
            if missing:
                yield Finding(
                    "labels",
                    f"no recording of {modality.name} in split {split} is labelled {' or '.join(missing)}: its experts "
                    f"cannot be trained or judged on it; label some, or leave {modality.name} out of the manifest",
                )


def _good_with_bad_parts(dataset: Labelled) -> Iterator[Finding]:
    contradictions = [
        (row, modality)
        for row in dataset.rows
        for modality in dataset.modalities
        if row.label == "ok" and own_label(row, modality) == "nok" and sources_of(row, modality.name)
    ]
    if contradictions:
        row, modality = contradictions[0]
        ids = tuple(dict.fromkeys(row.piece_id for row, _ in contradictions))
        yield Finding(
            "labels",
            f"{len(ids)} pieces are labelled ok but nok in a modality, the first is {row.piece_id} in {modality.name}: "
            "correct the piece's label or the modality's",
            ids,
        )


def _without_class(dataset: Labelled) -> Iterator[Finding]:
    defective = [row for row in dataset.rows if row.label == "nok"]
    bare = [row for row in defective if not row.defects]
    if dataset.classes and bare:
        yield Finding(
            "labels",
            f"{len(bare)} of {len(defective)} defective pieces name no class in `defects`, the first is "
            f"{bare[0].piece_id}: training treats them as showing none of the classes; name their classes",
            _ids(bare),
        )


def unlabelled_findings(rows: Sequence[PieceRow]) -> Iterator[Finding]:
    """A warning of the check alone: a training says of each split how many pieces it leaves out."""
    unlabelled = [row for row in rows if row.label == "unknown" and row.defect_probability is None]
    if unlabelled:
        yield Finding(
            "labels",
            f"{len(unlabelled)} of {len(rows)} pieces have no label (empty or unknown), the first is "
            f"{unlabelled[0].piece_id}: training, calibration and test leave them out; label them ok or nok, or give "
            "their defect_probability",
            _ids(unlabelled),
        )


def mask_findings(rows: Sequence[PieceRow]) -> Iterator[Finding]:
    """Warnings of the check alone, for sets with masks: pieces without one where others of their class have one, and
    classes without any. The first probably lost theirs; the second may have a folder of masks that is not found."""
    if all(row.mask is None for row in rows):
        return
    masked = {row.defects for row in rows if row.mask is not None}
    defective = [row for row in rows if row.label == "nok" and row.images]
    alike = [row for row in defective if row.defects in masked]
    bare = [row for row in alike if row.mask is None]
    if bare:
        yield Finding(
            "labels",
            f"{len(bare)} of {len(alike)} defective pieces have no mask, and others of their class do, the first "
            f"is {bare[0].piece_id}: they do not teach where their defect is; add the masks that are missing",
            _ids(bare),
        )
    unmasked = [row for row in defective if row.defects not in masked]
    if unmasked:
        counts = Counter(" and ".join(row.defects) or "nok" for row in unmasked)
        classes = ", ".join(f"{name} ({num})" for name, num in sorted(counts.items()))
        yield Finding(
            "labels",
            f"no piece of these classes has a mask, while other classes have theirs: {classes}: they do not teach "
            "where their defect is; add their masks, and look whether their folder of masks is named as their class",
            _ids(unmasked),
        )


def _ids(rows: Sequence[PieceRow]) -> tuple[str, ...]:
    return tuple(row.piece_id for row in rows)
