"""Divides pieces into splits by their groups, over several axes at once.

Pieces that are tied by any group form a unit that stays whole. Where units are too large for that, as where pictures
and sounds were paired at random, the groups of each axis are divided, and pieces between two splits are left out.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from inspector.dataset.division.assign import Strata, assign
from inspector.dataset.division.owners import Owner, owners_of
from inspector.dataset.division.shares import Shares
from inspector.dataset.manifest import ManifestError, PieceRow, Split

_FEWEST = 0.5
"""Of its share, which a split gets at least, or else the units are too large."""
_TILTS = (0.0, 0.5, 0.75, 1.0)
"""How far small splits are favoured: without that, groups follow their many pieces in the large one."""
Owners = Sequence[frozenset[Owner]]


@dataclass(frozen=True)
class Division:
    """The pieces with their splits, in the order of the manifest."""

    rows: list[PieceRow]
    left_out: list[PieceRow]
    """Pieces between two splits; they keep the split that they had."""
    num_units: int
    """Sets of pieces that share no group or recording."""
    largest_unit: int
    """Pieces of the largest one."""


def divide(
    root: Path, rows: Sequence[PieceRow], shares: Shares, axes: Sequence[str], seed: int = 0, *, keep_all: bool = False
) -> Division:
    """Raises ManifestError where groups are missing or too few, and under `keep_all` rather than leave out pieces."""
    owners = owners_of(root, rows, axes)
    units = _units(owners)
    splits = _by_unit(rows, units, shares, seed)
    largest = max(map(len, units), default=0)
    if not _fair(rows, splits, shares):
        crossed = _by_axes(rows, owners, shares, seed)
        if crossed is not None and keep_all:
            raise ManifestError(
                f"{largest} of {len(rows)} pieces are tied by their groups ({', '.join(axes)}) and recordings, too "
                f"many for {_said(shares)}; without --keep-all, {sum(s is None for s in crossed)} pieces between two "
                "splits are left out"
            )
        splits = splits if crossed is None else crossed
    _demand_all_splits(splits, shares, units, axes)
    chosen = list(zip(rows, splits, strict=True))
    return Division(
        [row.model_copy(update={"split": split}) for row, split in chosen if split is not None],
        [row for row, split in chosen if split is None],
        len(units),
        largest,
    )


def _said(shares: Shares) -> str:
    return "/".join(f"{100 * share:g}" for share in shares.values())


def _units(owners: Owners) -> list[list[int]]:
    """Connected components: indices of pieces that share owners, directly or through others."""
    parent = list(range(len(owners)))

    def root_of(index: int) -> int:
        while parent[index] != index:
            parent[index] = index = parent[parent[index]]
        return index

    first: dict[Owner, int] = {}
    for index, mine in enumerate(owners):
        for owner in mine:
            parent[root_of(index)] = root_of(first.setdefault(owner, index))
    units: dict[int, list[int]] = defaultdict(list)
    for index in range(len(owners)):
        units[root_of(index)].append(index)
    return list(units.values())


def _by_unit(rows: Sequence[PieceRow], units: Sequence[Sequence[int]], shares: Shares, seed: int) -> list[Split | None]:
    splits: list[Split | None] = [None] * len(rows)
    for unit, split in zip(units, assign([_strata(rows, unit) for unit in units], shares, seed), strict=True):
        for index in unit:
            splits[index] = split
    return splits


def _strata(rows: Sequence[PieceRow], indices: Sequence[int]) -> Strata:
    counts: Counter[str] = Counter()
    for index in indices:
        row = rows[index]
        counts.update(["pieces", f"label {row.label}", *(f"class {name}" for name in row.defects)])
        counts.update([f"product {row.product}"] if row.product else ())
    return counts


def _fair(rows: Sequence[PieceRow], splits: Sequence[Split | None], shares: Shares) -> bool:
    """Whether each split has a good part of its share of all pieces and of each label."""
    labels = [None, *sorted({row.label for row in rows} - {"unknown"})]
    for label in labels:
        held = Counter(split for row, split in zip(rows, splits, strict=True) if label in (None, row.label))
        if any(held[split] < min(1.0, _FEWEST) * share * sum(held.values()) for split, share in shares.items()):
            return False
    return True


def _by_axes(rows: Sequence[PieceRow], owners: Owners, shares: Shares, seed: int) -> list[Split | None] | None:
    """The division that keeps most pieces, with each axis tried as the first; None where none is fair."""
    axes = sorted({owner.axis for mine in owners for owner in mine})
    orders = [(axis, *(other for other in axes if other != axis)) for axis in axes]
    found = [_crossed(rows, owners, shares, seed, order, tilt) for order in orders for tilt in _TILTS]
    fair = [splits for splits in found if _fair(rows, splits, shares)]
    return min(fair, key=lambda splits: sum(split is None for split in splits), default=None)


def _crossed(
    rows: Sequence[PieceRow], owners: Owners, shares: Shares, seed: int, axes: Sequence[str], tilt: float
) -> list[Split | None]:
    """Divides the groups of the first axis; each group of the others goes where most of its pieces are."""
    first = [frozenset(owner for owner in mine if owner.axis == axes[0]) for mine in owners]
    splits = _by_unit(rows, _units(first), shares, seed)
    for axis in axes[1:]:
        homes = _homes(owners, splits, {split: share**-tilt for split, share in shares.items()}, axis)
        for index, mine in enumerate(owners):
            places = {homes[owner] for owner in mine if owner.axis == axis} | {splits[index]}
            splits[index] = splits[index] if len(places) == 1 else None
    return splits


def _homes(
    owners: Owners, splits: Sequence[Split | None], weights: Mapping[Split, float], axis: str
) -> Mapping[Owner, Split | None]:
    """The split of each group of an axis: where most of its pieces are, by these weights."""
    pieces: dict[Owner, Counter[Split | None]] = defaultdict(Counter)
    for mine, split in zip(owners, splits, strict=True):
        for owner in mine:
            if owner.axis == axis:
                pieces[owner][split] += 1
    return {
        owner: max(counts, key=lambda split: 0.0 if split is None else counts[split] * weights[split])
        for owner, counts in pieces.items()
    }


def _demand_all_splits(
    splits: Sequence[Split | None], shares: Shares, units: Sequence[Sequence[int]], axes: Sequence[str]
) -> None:
    empty = [split for split in shares if split not in splits]
    if empty:
        raise ManifestError(
            f"no piece is left for {' and '.join(empty)}: by {', '.join(axes)} there are {len(units)} independent sets "
            f"of pieces, the largest of {max(map(len, units), default=0)}; record more groups, or name finer ones"
        )
