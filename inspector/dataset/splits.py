"""Refuses data sets whose splits leak, and divides others into folds that share no group."""

import random
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from inspector.dataset.findings import Finding, refuse
from inspector.dataset.manifest import PieceRow


def demand_grouped_splits(rows: Sequence[PieceRow]) -> None:
    """Raises ManifestError unless every piece has groups and no group or file is in two splits."""
    refuse(split_findings(rows))


def split_findings(rows: Sequence[PieceRow]) -> Iterator[Finding]:
    """Pieces without groups; groups and files that are in several splits."""
    lonely = [row.piece_id for row in rows if not row.groups]
    if lonely:
        yield Finding(
            "splits",
            f"{len(lonely)} of {len(rows)} pieces have no groups, first {lonely[0]}: state in `groups` which belong "
            "together (the same recording, the same lot), for random splits leak",
            tuple(lonely),
            "error",
        )
    splits: dict[str, set[str]] = defaultdict(set)
    pieces: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        for owner in (*_group_ids(row), *_files(row)):
            splits[owner].add(row.split)
            pieces[owner].append(row.piece_id)
    crossing = sorted(owner for owner, names in splits.items() if len(names) > 1)
    if crossing:
        split_names = ", ".join(sorted(splits[crossing[0]]))
        yield Finding(
            "splits",
            f"{len(crossing)} groups or files are in more than one split, first {crossing[0]} in {split_names}: "
            "split by group, so that no recording of training is tested on (`inspector data split` does it)",
            tuple(dict.fromkeys(piece for owner in crossing for piece in pieces[owner])),
            "error",
        )


def _group_ids(row: PieceRow) -> Iterable[str]:
    return (f"group {name}={value}" for name, value in row.groups.items())


def _files(row: PieceRow) -> Iterable[str]:
    return (f"file {path}" for path in (*(i.path for i in row.images), *(s.path for s in row.signals)))


def folds(groups: Sequence[str], num_folds: int, seed: int, rare: Sequence[bool] = ()) -> dict[str, int]:
    """A fold for every group, of about equal size; the largest groups first, ties by the seed.

    `rare`: recordings of the scarcer label. Folds get about as many of them each, for a fit without half of the defects
    knows too little, and a fold without any judges nothing.
    """
    names = sorted(set(groups))
    random.Random(seed).shuffle(names)  # noqa: S311 - no secret
    sizes, num_rare = Counter(groups), Counter(group for group, is_rare in zip(groups, rare, strict=False) if is_rare)
    filled, filled_rare, chosen = [0] * num_folds, [0] * num_folds, {}
    for name in sorted(names, key=lambda group: (-num_rare[group], -sizes[group])):
        fold = min(range(num_folds), key=lambda index: (num_rare[name] and filled_rare[index], filled[index]))
        chosen[name] = fold
        filled[fold] += sizes[name]
        filled_rare[fold] += num_rare[name]
    return chosen


def scarcer(labels: Sequence[bool]) -> list[bool]:
    """True for the recordings of the label that fewer have."""
    return [bool(label) == (2 * sum(labels) <= len(labels)) for label in labels]


def crossed_folds(groups: Sequence[Mapping[str, str]], num_folds: int, seed: int) -> list[tuple[list[int], list[int]]]:
    """Pairs (fit on, score) of indices that share no group of any kind; each index is scored exactly once.

    Pairs of recordings connect nearly all pieces, so each kind of group has its own folds: scored pieces lie in one
    fold of every kind, and pieces to fit on outside all of these. A kind with a single group separates nothing, and a
    piece without a kind shares no group of it.
    """
    kinds = [kind for kind in sorted({kind for group in groups for kind in group}) if _parts(kind, groups)]
    by_kind = {kind: folds([group[kind] for group in groups if kind in group], num_folds, seed) for kind in kinds}
    cells = [tuple(by_kind[kind].get(group[kind]) if kind in group else None for kind in kinds) for group in groups]
    pairs = []
    for cell in product((*range(num_folds), None), repeat=len(kinds)):
        score = [index for index, group in enumerate(cells) if group == cell]
        fit = [i for i, group in enumerate(cells) if all(a != b or a is None for a, b in zip(group, cell, strict=True))]
        if score:
            pairs.append((fit, score))
    return pairs


def _parts(kind: str, groups: Sequence[Mapping[str, str]]) -> bool:
    return len({group[kind] for group in groups if kind in group}) > 1


def unit_folds(
    units: Sequence[Collection[str]], num_folds: int, seed: int
) -> list[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Masks (fit on, judge): each piece is judged once, by a fit on pieces that share no unit with it.

    Every unit has a fold. Pieces whose units lie in the same folds are judged together, by a fit on the pieces without
    a unit in these folds: if all units of a piece had to share one fold, nothing would be left to fit on.
    """
    fold = folds([unit for piece_units in units for unit in sorted(piece_units)], num_folds, seed)
    cells = [frozenset(fold[unit] for unit in piece_units) for piece_units in units]
    order = sorted(set(cells), key=sorted)
    return [(np.array([not c & cell for c in cells]), np.array([c == cell for c in cells])) for cell in order]
