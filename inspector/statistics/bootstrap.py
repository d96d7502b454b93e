"""Computes the mean of recordings' values with its uncertainty."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

NUM_DRAWS = 2000


class Interval(NamedTuple):
    """A mean with its 95 % interval by resampling."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


def mean_by_group(values: ArrayLike, groups: Sequence[str], seed: int) -> Interval:
    """Bootstrap over whole groups, because the recordings of a group are not independent. NaN without any value."""
    samples = np.asarray(values, np.float64)
    if not len(samples):
        return Interval(np.nan, np.nan, np.nan)
    _, owners = np.unique(groups, return_inverse=True)
    sums, counts = np.bincount(owners, samples), np.bincount(owners)
    drawn = np.random.default_rng(seed).integers(len(sums), size=(NUM_DRAWS, len(sums)))
    low, high = np.quantile(sums[drawn].sum(1) / counts[drawn].sum(1), [0.025, 0.975])
    return Interval(float(samples.mean()), float(low), float(high))


def mean_by_units(values: ArrayLike, units: Sequence[Collection[str]], seed: int) -> Interval:
    """`mean_by_group` where a value rests on several recordings: see `unit_weights`."""
    samples = np.asarray(values, np.float64)
    if not len(samples):
        return Interval(np.nan, np.nan, np.nan)
    weights_DV = unit_weights(units, NUM_DRAWS, seed)
    low, high = np.quantile((weights_DV @ samples) / weights_DV.sum(1).clip(1), [0.025, 0.975])
    return Interval(float(samples.mean()), float(low), float(high))


def unit_weights(units: Sequence[Collection[str]], num_draws: int, seed: int) -> NDArray[np.int64]:
    """(D, V) how often each draw takes each value: the product of how often it takes the value's units.

    Pieces pair pictures with sounds, and each recurs with many others: drawing pictures alone gave intervals of fusion
    against noisy-or little more than half as wide (Owen 2007, the pigeonhole bootstrap; counts by Poisson).
    """
    numbers = _numbers(units)
    counts = np.random.default_rng(seed).poisson(1.0, (num_draws, len(numbers)))
    return np.stack([counts[:, [numbers[unit] for unit in value_units]].prod(1) for value_units in units], axis=1)


def smooth_weights(
    units: Sequence[Collection[str]], num_draws: int, random: np.random.Generator
) -> NDArray[np.float64]:
    """(D, V) as `unit_weights`, by the Bayesian bootstrap: no draw leaves a unit out, so few units do not seem sure."""
    numbers = _numbers(units)
    shares = random.exponential(size=(num_draws, len(numbers)))
    return np.stack([shares[:, [numbers[unit] for unit in sorted(v)]].prod(1) for v in units], axis=1)


def _numbers(units: Sequence[Collection[str]]) -> dict[str, int]:
    return {name: index for index, name in enumerate(sorted({unit for value_units in units for unit in value_units}))}


def essential_units(units: Sequence[Collection[str]]) -> list[frozenset[str]]:
    """The units without those all of whose values share another unit.

    Drawing that other unit draws all of them already; drawn on their own as well, values that nothing else shares would
    count with three times their variance.
    """
    owners: dict[str, set[int]] = {}
    for index, value_units in enumerate(units):
        for unit in value_units:
            owners.setdefault(unit, set()).add(index)

    def covers(other: str, unit: str) -> bool:
        return (len(owners[other]), other) > (len(owners[unit]), unit) and owners[unit] <= owners[other]

    needless = {
        unit for unit, indices in owners.items() if any(covers(other, unit) for other in units[next(iter(indices))])
    }
    return [frozenset(value_units) - needless for value_units in units]
