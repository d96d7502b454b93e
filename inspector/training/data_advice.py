"""Warns about gaps in a manifest: labels per modality, classes without evidence, repeated recordings."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from fusion.certificate import independent
from inspector.bundle.schema import Modality
from inspector.dataset.files import sources_of
from inspector.dataset.labels import modalities_of, own_label, units_of
from inspector.dataset.manifest import PieceRow, Split, read_manifest
from inspector.dataset.survey import survey
from inspector.training.advice import Advice
from inspector.training.dataset import Dataset
from inspector.training.repeats import contradictions, refuse_leaks, repeat_advice, uses_by_content

FEWEST_PARTS = 5
"""Independent parts of a class below which its recall is a guess: if all of five are detected, up to 45 % may still be
missed (95 %, one-sided)."""


def data_advice(dataset: Dataset) -> Iterator[Advice]:
    """Raises ManifestError for a recording in several splits under several names."""
    uses = uses_by_content(dataset.root, dataset.rows, dataset.modalities)
    refuse_leaks(dataset.root, uses)
    yield from repeat_advice(uses)
    yield from contradictions(uses, dataset.modalities)
    yield from _missing_labels(dataset)
    yield from _unknown_names(dataset)
    yield from _one_sided(dataset)
    yield from _good_with_bad_parts(dataset)
    yield from _without_class(dataset)
    yield from _unmeasured(dataset)


def file_survey(manifest: Path, rows: Sequence[PieceRow]) -> Iterator[Advice]:
    """Warnings about the files of these rows. Raises ManifestError that lists each unreadable file."""
    for text in survey(manifest, rows):
        yield Advice("recordings", text)


def manifest_advice(manifest: Path) -> Iterator[Advice]:
    """Warnings about a manifest from which only good pieces are used."""
    rows = read_manifest(manifest)
    modalities = modalities_of(rows)
    uses = uses_by_content(manifest.parent, rows, modalities)
    yield from repeat_advice(uses)
    yield from contradictions(uses, modalities)


def _missing_labels(dataset: Dataset) -> Iterator[Advice]:
    """With the label of the piece, an expert is trained on defects that its recording cannot show."""
    if len(dataset.modalities) < 2:
        return
    defective = [row for split in ("train", "calibration") for row in dataset.split(split) if row.label == "nok"]
    for modality in dataset.modalities:
        seen = [row for row in defective if sources_of(row, modality.name)]
        unlabelled = [row for row in seen if own_label(row, modality) is None]
        if unlabelled:
            yield Advice(
                "labels",
                f"{len(unlabelled)} of {len(seen)} defective pieces have no label for {modality.name} alone, so its "
                "experts learn defects that only others show (a microphone fell from AUC 1.000 to .609): add "
                "modality_labels to the manifest, or a map of classes to the configuration, such as "
                f'[labels] {_example(dataset)} = ["{modality.name}"]',
            )


def _example(dataset: Dataset) -> str:
    return f'"{dataset.classes[0]}"' if dataset.classes else "crack"


def _unknown_names(dataset: Dataset) -> Iterator[Advice]:
    known = {"image", "signal", *(modality.name for modality in dataset.modalities)}
    strange = sorted({name for row in dataset.rows for name in row.modality_labels} - known)
    if strange:
        yield Advice(
            "labels",
            f"modality_labels names {', '.join(strange)}, which is no camera or sensor of the manifest, so the label "
            f"is ignored: use one of {', '.join(sorted(known))}",
        )


def _one_sided(dataset: Dataset) -> Iterator[Advice]:
    splits: tuple[Split, ...] = ("train", "calibration")
    for modality in dataset.modalities:
        for split in splits:
            rows = [row for row in dataset.split(split) if sources_of(row, modality.name)]
            labels = {own_label(row, modality) or row.label for row in rows}
            missing = sorted({"ok", "nok"} - labels)
            if missing:
                yield Advice(
                    "labels",
                    f"no recording of {modality.name} in split {split} is labelled {' or '.join(missing)}: its experts "
                    f"cannot be trained or judged on it; label some, or leave {modality.name} out of the manifest",
                )


def _good_with_bad_parts(dataset: Dataset) -> Iterator[Advice]:
    contradictions = [
        (row, modality)
        for row in dataset.rows
        for modality in dataset.modalities
        if row.label == "ok" and own_label(row, modality) == "nok" and sources_of(row, modality.name)
    ]
    if contradictions:
        row, modality = contradictions[0]
        yield Advice(
            "labels",
            f"{len({row.piece_id for row, _ in contradictions})} pieces are labelled ok but nok in a modality, the "
            f"first is {row.piece_id} in {modality.name}: correct the piece's label or the modality's",
        )


def _without_class(dataset: Dataset) -> Iterator[Advice]:
    defective = [row for row in dataset.rows if row.label == "nok"]
    bare = [row for row in defective if not row.defects]
    if dataset.classes and bare:
        yield Advice(
            "labels",
            f"{len(bare)} of {len(defective)} defective pieces name no class in `defects`, the first is "
            f"{bare[0].piece_id}: training treats them as showing none of the classes; name their classes",
        )


def _unmeasured(dataset: Dataset) -> Iterator[Advice]:
    splits: tuple[Split, ...] = ("train", "calibration", "test")
    counts = {name: {split: num_parts(_with(dataset, split, name), dataset.modalities) for split in splits}
              for name in dataset.classes}  # fmt: skip
    few = {name: by_split for name, by_split in counts.items() if min(by_split.values()) < FEWEST_PARTS}
    if few:
        listed = "; ".join(f"{name} {', '.join(f'{n} in {split}' for split, n in by_split.items())}"
                           for name, by_split in few.items())  # fmt: skip
        yield Advice(
            "evidence",
            f"{len(few)} of {len(dataset.classes)} classes have fewer than {FEWEST_PARTS} independent parts in a split "
            f"({listed}): they are hardly learned or measured, and their escape rate is unknown; record more",
        )
    if not {"ok", "nok"} <= {row.label for row in dataset.split("test")}:
        yield Advice(
            "evidence",
            "split test lacks pieces labelled ok or nok, so the bundle cannot be measured: keep some recordings of "
            "other groups for it",
        )


def _with(dataset: Dataset, split: Split, name: str) -> list[PieceRow]:
    return [row for row in dataset.split(split) if name in row.defects]


def num_parts(rows: Sequence[PieceRow], modalities: Sequence[Modality]) -> int:
    """Number of pieces that share no recording that shows the defect."""
    return len(independent([row.piece_id for row in rows], [units_of(row, modalities) for row in rows]))
