"""Which class of a manifest counts as good, where none of its pieces is labelled ok."""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from inspector.bundle.expected import likely
from inspector.dataset.manifest import Label, ManifestError, PieceRow

PROVENANCE_KEY = "good_classes"
"""Of a bundle: the classes that counted as good in its training, as a JSON list."""
_MAX_LISTED = 30


def with_good(rows: Sequence[PieceRow], names: Collection[str]) -> list[PieceRow]:
    """Pieces that have no other class are ok. Raises ManifestError for a name that no piece has."""
    counts = _counts(rows)
    for name in names:
        if name not in counts:
            hint = likely(name, [*counts]) or f"classes are {_listed(counts)}"
            raise ManifestError(f"--good names the class {name!r}, which no piece has: {hint}")
    return [_relabelled(row, names) for row in rows]


def _relabelled(row: PieceRow, names: Collection[str]) -> PieceRow:
    if not names or row.label != "nok" or not {*row.defects} & {*names}:
        return row
    others = tuple(name for name in row.defects if name not in names)
    if others:
        return row.model_copy(update={"defects": others})
    own: dict[str, Label] = {name: "ok" if label == "nok" else label for name, label in row.modality_labels.items()}
    return row.model_copy(update={"label": "ok", "defects": (), "mask": None, "modality_labels": own})


def question(rows: Sequence[PieceRow]) -> str | None:
    """Asks which class counts as good; None where a piece is labelled ok, or none names a class."""
    counts = _counts(rows)
    if not counts or any(row.label == "ok" for row in rows):
        return None
    example = json.dumps(min(counts), ensure_ascii=False) if " " in min(counts) else min(counts)
    return (
        f"no piece is labelled ok: which class counts as good? Say so with --good NAME, such as --good {example}; "
        f"classes are {_listed(counts)}"
    )


def recorded_good(provenance: Mapping[str, str | int | float], rows: Sequence[PieceRow]) -> list[str]:
    """Classes of these pieces that counted as good when a bundle was trained."""
    counts = _counts(rows)
    return [name for name in json.loads(str(provenance.get(PROVENANCE_KEY, "[]"))) if name in counts]


def as_trained(provenance: Mapping[str, str | int | float], rows: Sequence[PieceRow]) -> list[PieceRow]:
    """The pieces with the good classes of a bundle's training."""
    return with_good(rows, recorded_good(provenance, rows))


def _counts(rows: Sequence[PieceRow]) -> Counter[str]:
    return Counter(name for row in rows for name in row.defects)


def _listed(counts: Counter[str]) -> str:
    shown = ", ".join(f"{name} ({num})" for name, num in sorted(counts.items())[:_MAX_LISTED]) or "none"
    return f"{shown} and {len(counts) - _MAX_LISTED} more" if len(counts) > _MAX_LISTED else shown
