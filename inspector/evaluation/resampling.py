"""Turns values of recordings into a mean with its uncertainty. Knows no model and no labels."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

NUM_DRAWS = 2000


class Interval(NamedTuple):
    """A mean, and where it lies in 95 of 100 resamplings."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


def mean_by_group(values: ArrayLike, groups: Sequence[str], seed: int) -> Interval:
    """Bootstrap over whole groups, for the recordings of one are not independent. NaN without any value."""
    found = np.asarray(values, np.float64)
    if not len(found):
        return Interval(np.nan, np.nan, np.nan)
    _, owners = np.unique(groups, return_inverse=True)
    sums, counts = np.bincount(owners, found), np.bincount(owners)
    drawn = np.random.default_rng(seed).integers(len(sums), size=(NUM_DRAWS, len(sums)))
    low, high = np.quantile(sums[drawn].sum(1) / counts[drawn].sum(1), [0.025, 0.975])
    return Interval(float(found.mean()), float(low), float(high))
