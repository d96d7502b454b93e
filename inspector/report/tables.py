"""Counts decisions by group."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from inspector.report.content import ReportedPiece

MAX_KINDS, MAX_GROUPS = 6, 12
"""Rows that a page shows."""


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
