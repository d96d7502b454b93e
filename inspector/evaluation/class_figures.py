"""Counts by defect class: how many pieces were caught and named, how many escaped, and what was called what.

The same figures come from verdicts on a test split and, during training, from cross-fitted scores. Runs no expert.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fusion.certificate import independent
from inspector.statistics.proportion import exact_interval
from inspector.verdicts.defects import UNKNOWN_DEFECT

GOOD, UNNAMED = "good", "defective, no class given"
"""Truth of pieces without a class."""
NONE = "none"
"""Named by verdicts that name no defect."""
MAX_ESCAPED = 50


@dataclass(frozen=True)
class JudgedPiece:
    """Truth and verdict of one piece."""

    piece_id: str
    label: str
    """`ok` or `nok`."""
    classes: tuple[str, ...]
    """True classes."""
    units: frozenset[str]
    """Groups of the recordings that show the defect."""
    decision: str
    """PASS, FAIL or REVIEW."""
    defects: tuple[str, ...]
    """As the verdict names them."""


@dataclass(frozen=True)
class ClassFigures:
    """One class on labelled pieces. Shares are of its pieces; None: there are none."""

    name: str
    pieces: int
    groups: int
    """Independent parts: no two share a recording that shows the defect."""
    recall: float | None
    """Not PASS."""
    failed: float | None
    """FAIL."""
    review: float | None
    """REVIEW."""
    named: float | None
    """The verdict names this class."""
    named_rightly: float | None
    """Of the verdicts that name the class: those on pieces that have it."""
    escapes: int
    """Pieces that PASS."""
    escape_low: float
    """95 % interval of the escape rate, exact, over independent parts."""
    escape_high: float
    """Its upper end."""
    escaped: tuple[str, ...]
    """Their ids, the first 50."""


@dataclass(frozen=True)
class Confusion:
    """`counts[i][j]` pieces are truly `true[i]` and called `named[j]`.

    A piece with several classes counts for each of them: as called rightly where the verdict names the class, else as
    what the verdict names first.
    """

    true: tuple[str, ...]
    named: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class ClassReport:
    classes: tuple[ClassFigures, ...]
    """The largest share of escapes first, then by name."""
    confusion: Confusion


def class_report(pieces: Sequence[JudgedPiece], known: Sequence[str]) -> ClassReport:
    """`known`: classes of the bundle; pieces may have others."""
    names = sorted({*known, *(name for piece in pieces for name in piece.classes)})
    figures = [_figures(name, pieces) for name in names]
    ordered = sorted(figures, key=lambda each: (-(each.escapes / max(each.pieces, 1)), each.name))
    return ClassReport(tuple(ordered), _confusion(pieces, names))


def _figures(name: str, pieces: Sequence[JudgedPiece]) -> ClassFigures:
    having = [piece for piece in pieces if name in piece.classes]
    naming = [piece for piece in pieces if name in piece.defects]
    escaped = [piece for piece in having if piece.decision == "PASS"]
    groups = _num_independent(having)
    low, high = exact_interval(min(_num_independent(escaped), groups), groups)
    return ClassFigures(
        name=name,
        pieces=len(having),
        groups=groups,
        recall=_share([piece.decision != "PASS" for piece in having]),
        failed=_share([piece.decision == "FAIL" for piece in having]),
        review=_share([piece.decision == "REVIEW" for piece in having]),
        named=_share([name in piece.defects for piece in having]),
        named_rightly=_share([name in piece.classes for piece in naming]),
        escapes=len(escaped),
        escape_low=low,
        escape_high=high,
        escaped=tuple(piece.piece_id for piece in escaped[:MAX_ESCAPED]),
    )


def _share(is_so: Sequence[bool]) -> float | None:
    return float(np.mean(is_so)) if is_so else None


def _num_independent(pieces: Sequence[JudgedPiece]) -> int:
    return len(independent([piece.piece_id for piece in pieces], [piece.units for piece in pieces]))


def _confusion(pieces: Sequence[JudgedPiece], names: Sequence[str]) -> Confusion:
    cells = Counter((truth, _called(piece, truth)) for piece in pieces for truth in _truths(piece))
    rows = [*names, *(name for name in (UNNAMED, GOOD) if any(truth == name for truth, _ in cells))]
    columns = [*names, UNKNOWN_DEFECT, NONE]
    extra = sorted({called for _, called in cells} - {*columns})
    columns[len(names) : len(names)] = extra
    return Confusion(
        tuple(rows), tuple(columns), tuple(tuple(cells[row, column] for column in columns) for row in rows)
    )


def _truths(piece: JudgedPiece) -> tuple[str, ...]:
    return piece.classes or (GOOD if piece.label == "ok" else UNNAMED,)


def _called(piece: JudgedPiece, truth: str) -> str:
    return truth if truth in piece.defects else next(iter(piece.defects), NONE)
