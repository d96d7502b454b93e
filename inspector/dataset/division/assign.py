"""Assigns units of pieces to splits, so that each split gets about its share of every label and class.

Greedy, the largest units first, then improved by moving single units. Equal seeds give equal results.
"""

import random
from collections import Counter
from collections.abc import Mapping, Sequence

from inspector.dataset.division.shares import Shares
from inspector.dataset.manifest import Split

Strata = Mapping[str, int]
"""Number of pieces by label, class, or other property."""
_MAX_PASSES = 5
_EMPTY = 0.3
"""Cost of a split without any piece of a stratum: more than a deviation of one piece from an uneven share."""


class _Sums:
    """What the splits hold so far, and how far that is from their shares."""

    def __init__(self, units: Sequence[Strata], shares: Shares) -> None:
        totals: Counter[str] = Counter()
        for unit in units:
            totals.update(unit)
        self._wanted = {split: {name: share * num for name, num in totals.items()} for split, share in shares.items()}
        self._held: dict[Split, Counter[str]] = {split: Counter() for split in shares}

    def add(self, split: Split, unit: Strata, sign: int = 1) -> None:
        for name, num in unit.items():
            self._held[split][name] += sign * num

    def cost_of(self, split: Split, unit: Strata) -> float:
        """Added cost if this unit came to this split."""
        held, wanted = self._held[split], self._wanted[split]
        return sum(_cost(held[name] + num, wanted[name]) - _cost(held[name], wanted[name])
                   for name, num in unit.items())  # fmt: skip


def _cost(held: float, wanted: float) -> float:
    return (held - wanted) ** 2 / wanted + (_EMPTY if held == 0 else 0.0)


def assign(units: Sequence[Strata], shares: Shares, seed: int) -> list[Split]:
    """The split of each unit."""
    order = list(range(len(units)))
    random.Random(seed).shuffle(order)  # noqa: S311 - no secret
    order.sort(key=lambda index: -sum(units[index].values()))
    sums, chosen = _Sums(units, shares), dict[int, Split]()
    for _ in range(_MAX_PASSES):
        num_moved = 0
        for index in order:
            before = chosen.get(index)
            if before is not None:
                sums.add(before, units[index], -1)
            chosen[index] = _cheapest(sums, units[index], shares, before)
            sums.add(chosen[index], units[index])
            num_moved += chosen[index] != before
        if not num_moved:
            break
    return [chosen[index] for index in range(len(units))]


def _cheapest(sums: _Sums, unit: Strata, shares: Shares, before: Split | None) -> Split:
    """Ties stay where they are, so that passes end."""
    costs = {split: sums.cost_of(split, unit) for split in shares}
    best = min(costs, key=lambda split: round(costs[split], 9))
    return before if before is not None and costs[before] <= costs[best] + 1e-9 else best
