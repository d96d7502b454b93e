"""Pieces whose label is not known for sure: `unknown`, or a probability of a defect."""

from collections import Counter
from collections.abc import Mapping, Sequence

from inspector.dataset.manifest import PieceRow, Split

UNKNOWN = "unknown"


def is_uncertain(row: PieceRow) -> bool:
    """Unknown, with a probability."""
    return row.label == "unknown" and row.defect_probability is not None


def left_out(rows: Sequence[PieceRow]) -> dict[str, int]:
    """Pieces of these without a certain label: `unknown`, or such as `defect_probability 0.33`."""
    reasons = (_reason(row) for row in rows if row.label == "unknown")
    return dict(sorted(Counter(reasons).items()))


def _reason(row: PieceRow) -> str:
    return UNKNOWN if row.defect_probability is None else f"defect_probability {row.defect_probability:g}"


def left_out_words(reasons: Mapping[str, int]) -> str:
    """`12 pieces (defect_probability 0.33: 8, unknown: 4)`."""
    return f"{sum(reasons.values())} pieces ({', '.join(f'{reason}: {num}' for reason, num in reasons.items())})"


def uncertain_lines(rows: Sequence[PieceRow], *, soft: bool) -> list[str]:
    """What a training does with them: a sentence for each use; none where all labels are certain."""
    learned = [row for row in rows if soft and row.split == "train" and is_uncertain(row)]
    taught = {id(row) for row in learned}
    lines = []
    if learned:
        lines.append(
            f"Learned with their probability as the target: {left_out_words(left_out(learned))} of split train."
        )
    rest = [row for row in rows if id(row) not in taught]
    splits: tuple[Split, ...] = ("train", "calibration", "test")
    parts = {split: left_out([row for row in rest if row.split == split]) for split in splits}
    named = [f"{left_out_words(reasons)} of split {split}" for split, reasons in parts.items() if reasons]
    if named:
        hint = _hint(rest) if not soft else ""
        lines.append(f"Left out, for their label is not certain: {'; '.join(named)}{hint}.")
    return lines


def _hint(rest: Sequence[PieceRow]) -> str:
    if not any(row.split == "train" and is_uncertain(row) for row in rest):
        return ""
    return '; uncertain_labels = "soft" in the configuration lets those of train with a probability teach'
