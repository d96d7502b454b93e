"""Counts decisions by defect class and by group, with bounds from the independent pieces."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fusion.certificate import independent, rate_below
from inspector.report.content import ReportedPiece

CONFIDENCE = 0.95
UNNAMED = "no class named"
MAX_KINDS, MAX_GROUPS, MAX_CLASSES = 6, 12, 60
"""Rows that a page shows."""


@dataclass(frozen=True)
class ClassRow:
    """Decisions on the defective pieces of one class; a piece of several classes counts in each."""

    name: str
    pieces: int
    parts: int
    """Independent ones: no two share a recording that shows the defect."""
    parts_passed: int
    """Of these."""
    failed: int
    review: int
    passed: int

    @property
    def bound(self) -> float:
        """Upper bound of the share of this class that escapes, one-sided, by the independent pieces."""
        return rate_below(self.parts, self.parts_passed, CONFIDENCE) if self.parts else 1.0

    @property
    def share(self) -> float:
        return self.passed / self.pieces


def by_class(pieces: Sequence[ReportedPiece]) -> list[ClassRow]:
    """Those with the most escapes first."""
    members: dict[str, list[ReportedPiece]] = defaultdict(list)
    for piece in (piece for piece in pieces if piece.is_defective):
        for name in piece.row.defects or (UNNAMED,):
            members[name].append(piece)
    rows = [_class_row(name, of_class) for name, of_class in members.items()]
    return sorted(rows, key=lambda row: (-row.share, -row.bound, row.name))


def _class_row(name: str, pieces: Sequence[ReportedPiece]) -> ClassRow:
    chosen = independent_pieces(pieces)
    counts = _counts(pieces)
    parts_passed = sum(piece.decision == "PASS" for piece in chosen)
    return ClassRow(name, len(pieces), len(chosen), parts_passed, *counts)


def independent_pieces(pieces: Sequence[ReportedPiece]) -> list[ReportedPiece]:
    """No two share a recording."""
    chosen = independent([piece.row.piece_id for piece in pieces], [piece.units for piece in pieces])
    return [pieces[index] for index in chosen]


def _counts(pieces: Sequence[ReportedPiece]) -> tuple[int, int, int]:
    """FAIL, REVIEW, PASS."""
    failed, passed = (sum(piece.decision == word for piece in pieces) for word in ("FAIL", "PASS"))
    return failed, len(pieces) - failed - passed, passed


@dataclass(frozen=True)
class GroupRow:
    """Decisions on the pieces of one group, such as one lot."""

    name: str
    good: int
    false_rejects: int
    defective: int
    escapes: int
    review: int

    @property
    def wrong(self) -> int:
        return self.false_rejects + self.escapes

    @property
    def pieces(self) -> int:
        return self.good + self.defective


@dataclass(frozen=True)
class GroupTable:
    kind: str
    """Such as `lot`."""
    rows: Sequence[GroupRow]
    """Those with the most mistakes first."""
    total: int
    """Of groups, shown or not."""


def by_group(pieces: Sequence[ReportedPiece]) -> list[GroupTable]:
    """One table for each kind of group that has several groups of several pieces; the others are single pieces."""
    kinds = sorted({kind for piece in pieces for kind in piece.row.groups})
    return list(_tables(pieces, kinds))[:MAX_KINDS]


def _tables(pieces: Sequence[ReportedPiece], kinds: Sequence[str]) -> Iterator[GroupTable]:
    for kind in kinds:
        members: dict[str, list[ReportedPiece]] = defaultdict(list)
        for piece in pieces:
            if kind in piece.row.groups:
                members[piece.row.groups[kind]].append(piece)
        if len(members) < 2 or max(map(len, members.values())) < 2:
            continue
        rows = [_group_row(name, of_group) for name, of_group in members.items()]
        rows.sort(key=lambda row: (-row.wrong, -row.review / row.pieces, row.name))
        yield GroupTable(kind, rows[:MAX_GROUPS], len(rows))


def _group_row(name: str, pieces: Sequence[ReportedPiece]) -> GroupRow:
    bad = [piece for piece in pieces if piece.is_defective]
    good = [piece for piece in pieces if not piece.is_defective]
    return GroupRow(
        name,
        len(good),
        sum(piece.is_wrong for piece in good),
        len(bad),
        sum(piece.is_wrong for piece in bad),
        sum(piece.decision not in ("PASS", "FAIL") for piece in pieces),
    )
