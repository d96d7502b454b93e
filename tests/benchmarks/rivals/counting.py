"""Counts what came back of what was sent: lost, doubled, decided otherwise. Knows no log and no clock."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Tally:
    """Of the pieces of one run."""

    sent: int
    lost: int
    """Pieces without a result."""
    doubled: int
    """Results beyond the first of a piece."""
    contradicted: int
    """Pieces with two results that disagree."""
    differing: int
    """Pieces whose first decision is not the expected one."""


def tally(sent: Iterable[str], results: Sequence[tuple[str, int]], expected: Mapping[str, int]) -> Tally:
    """`results` are piece and decision in order of arrival; pieces without an expectation differ from none."""
    pieces = set(sent)
    first: dict[str, int] = {}
    doubled, contradicted = 0, set()
    for piece, decision in results:
        if piece not in pieces:
            raise ValueError(f"a result names {piece!r}, which was never sent")
        if piece in first:
            doubled += 1
            if first[piece] != decision:
                contradicted.add(piece)
        first.setdefault(piece, decision)
    differing = sum(decision != expected.get(piece, decision) for piece, decision in first.items())
    return Tally(len(pieces), len(pieces) - len(first), doubled, len(contradicted), differing)
