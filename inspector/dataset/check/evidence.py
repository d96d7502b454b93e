"""Whether the splits hold enough to train on and to measure: labels, groups, independent parts of each class."""

from collections.abc import Iterator, Sequence

from inspector.dataset.check.labelled import SPLITS, Labelled, in_split, num_parts
from inspector.dataset.files import sources_of
from inspector.dataset.findings import Finding
from inspector.dataset.good_class import question
from inspector.dataset.labels import own_group
from inspector.dataset.manifest import PieceRow, Split

FEWEST_PARTS = 5
"""Independent parts of a class below which its recall is a guess: if all of five are detected, up to 45 % may still be
missed (95 %, one-sided)."""


def fewest_findings(dataset: Labelled) -> Iterator[Finding]:
    """Errors: what train or calibration lacks for any training."""
    asked = question(dataset.rows)
    if asked is not None:
        yield Finding("evidence", asked, severity="error")
    for split in SPLITS[:2]:
        rows = in_split(dataset.rows, split)
        if asked is None:
            yield from _labels(split, rows)
        for name in (modality.name for modality in dataset.modalities):
            groups = {own_group(row, m) for m in dataset.modalities if m.name == name
                      for row in rows if sources_of(row, name)}  # fmt: skip
            if len(groups) < 2:
                content = "no recording" if not groups else "recordings of one group only"
                yield Finding(
                    "evidence",
                    f"split {split} has {content} of {name}, expected at least two groups: record more pieces with it, "
                    f"or leave {name} out of the manifest",
                    severity="error",
                )


def _labels(split: Split, rows: Sequence[PieceRow]) -> Iterator[Finding]:
    counts = {label: sum(row.label == label for row in rows) for label in ("ok", "nok")}
    if not all(counts.values()):
        yield Finding(
            "evidence",
            f"split {split} needs pieces labelled ok and nok, it has {len(rows)} pieces, {counts['ok']} labelled ok "
            f"and {counts['nok']} labelled nok: label some of each; with good pieces alone, "
            "`inspector fit --good-only` makes a bundle",
            severity="error",
        )


def part_findings(dataset: Labelled) -> Iterator[Finding]:
    """Warnings: labels and classes that are hardly measured, and a test split that measures nothing."""
    counts = {
        name: {split: num_parts(in_split(rows, split), dataset.modalities) for split in SPLITS}
        for name, rows in _by_class(dataset.rows).items()
    }
    few = {name: by_split for name, by_split in counts.items() if min(by_split.values()) < FEWEST_PARTS}
    if few:
        listed = "; ".join(f"{name} {', '.join(f'{n} in {split}' for split, n in by_split.items())}"
                           for name, by_split in few.items())  # fmt: skip
        enough = [name for name in few if sum(counts[name].values()) >= FEWEST_PARTS * len(SPLITS)]
        advice = ", or give small splits more: `inspector data split --shares`" if enough else ""
        yield Finding(
            "evidence",
            f"{len(few)} of {len(counts)} classes have fewer than {FEWEST_PARTS} independent parts in a split "
            f"({listed}): they are hardly learned or measured, and their error rate is unknown; record more{advice}",
        )
    if not {"ok", "nok"} <= {row.label for row in in_split(dataset.rows, "test")}:
        yield Finding(
            "evidence",
            "split test lacks pieces labelled ok or nok, so the bundle cannot be measured: keep some recordings of "
            "other groups for it",
        )


def _by_class(rows: Sequence[PieceRow]) -> dict[str, list[PieceRow]]:
    """Labelled pieces by ok, nok where no class is named, and class."""
    by_class: dict[str, list[PieceRow]] = {}
    for row in rows:
        for name in (row.defects or (row.label,)) if row.label != "unknown" else ():
            by_class.setdefault(name, []).append(row)
    return dict(sorted(by_class.items()))
