"""Chooses the pieces that a report shows: escapes, false rejects and REVIEW, the surest mistakes first."""

from collections.abc import Sequence
from dataclasses import dataclass

from inspector.report.content import ReportedPiece

MAX_SHOWN = 6
"""Pieces of one group."""


@dataclass(frozen=True)
class WorstGroup:
    name: str
    """For addresses within the page."""
    title: str
    meaning: str
    pieces: Sequence[ReportedPiece]
    total: int
    """How many there are, shown or not."""


def worst(pieces: Sequence[ReportedPiece]) -> list[WorstGroup]:
    """Three groups, also empty ones."""
    escapes = [piece for piece in pieces if piece.is_defective and piece.decision == "PASS"]
    rejects = [piece for piece in pieces if not piece.is_defective and piece.decision == "FAIL"]
    review = [piece for piece in pieces if piece.decision not in ("PASS", "FAIL")]
    return [
        _group("escapes", "Escapes", "Defective pieces that passed, the lowest scores first.", escapes),
        _group("false-rejects", "False rejects", "Good pieces that failed, the highest scores first.", rejects),
        _group(
            "review",
            "Worst REVIEW",
            "Pieces that a person must look at, those first whose score is furthest on the wrong side.",
            review,
        ),
    ]


def named_in(groups: Sequence[WorstGroup]) -> list[str]:
    """Ids of all pieces that the groups show."""
    return [piece.row.piece_id for group in groups for piece in group.pieces]


def _group(name: str, title: str, meaning: str, pieces: Sequence[ReportedPiece]) -> WorstGroup:
    ordered = sorted(pieces, key=lambda piece: (-wrongness(piece), piece.row.piece_id))
    return WorstGroup(name, title, meaning, ordered[:MAX_SHOWN], len(pieces))


def wrongness(piece: ReportedPiece) -> float:
    """How far the score lies on the wrong side, 0 to 1; -1 without a score."""
    if piece.score is None:
        return -1.0
    return 1 - piece.score if piece.is_defective else piece.score
