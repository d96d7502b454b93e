"""Counts labelled pieces as independent evidence: pieces share pictures and taps."""

from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np

from fusion.calibration import Labels, Scores


def unit_weights(units: Sequence[Collection[str]]) -> Scores:
    """(P,) weight of each piece: one over how often its most repeated recording recurs among these pieces.

    The sum is at most the number of different recordings of the scarcer kind: 500 pieces that pair 60 pictures with
    20 taps weigh 20 or less.
    """
    times = Counter(unit for piece_units in units for unit in piece_units)
    return np.array([1 / max(map(times.__getitem__, piece_units), default=1) for piece_units in units], np.float64)


def num_units(units: Sequence[Collection[str]], chosen: Labels) -> int:
    """Independent pieces among the chosen ones, rounded down."""
    return int(unit_weights([units[row] for row in np.flatnonzero(chosen).tolist()]).sum() + 1e-9)


def scarcer_share(units: Sequence[Collection[str]], labels: Labels) -> float:
    """Weight of each piece with which all together count as the independent ones of the scarcer label do."""
    sides = (labels, ~labels)
    return min(num_units(units, side) / max(int(side.sum()), 1) for side in sides)
