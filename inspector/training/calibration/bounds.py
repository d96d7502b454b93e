"""Bounds the tail of a distribution from few independent values: a limit that a given share exceeds at most.

Counting alone needs ln(1 - confidence) / ln(1 - rate) independent values, 149 for 2 % at 95 %. With fewer, the tail
beyond the median is taken to fall exponentially at least, and its scale is bounded by the gamma distribution; no value
that was seen lies above such a limit. Exponential is what calibrated log-odds allow at most: odds of e^t are met by one
good piece in 1 + e^t. Letters: N values.
"""

import math
from bisect import bisect_left
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import gammaincinv

from fusion.calibration import Labels, Scores
from fusion.certificate import rate_below

HALF = 0.5
"""Share of the values whose excess gives the scale of the tail. By simulation, with a third or a fifth the promise was
broken on up to 10 % of lines with heavy tails, with a half on 6 %."""

LEAST_VALUES = 2
"""Fewer have no tail."""

Method = Literal["count", "tail", "calibration"]


class Bound(NamedTuple):
    """A limit with what it rests on; values above it are on the wrong side."""

    limit: float
    observed: float
    """The limit that these values alone would give, without allowance for others: the lower end of the interval."""
    rate: float
    """Share that exceeds the limit at most."""
    beyond: float
    """Share of these values that exceeds it."""
    num: int
    """Independent values."""
    method: Method


def enough_to_count(rate: float, confidence: float) -> int:
    """Independent values with which counting alone gives a limit."""
    return math.ceil(math.log(1 - confidence) / math.log(1 - rate)) if 0 < rate < 1 else (0 if rate >= 1 else 10**9)


def upper_bound(values: Scores, weights: Scores, rate: float, confidence: float) -> Bound:
    """The limit that at most `rate` of the population exceeds, with this confidence. `weights`: as evidence, each at
    most 1. Without any value, or for a rate of 0, it is infinite."""
    num = int(weights.sum() + 1e-9)
    if not len(values) or rate <= 0:
        return Bound(math.inf, math.inf, max(rate, 0.0), 0.0, num, "tail")
    order = np.argsort(-values, kind="stable")
    sorted_N, beyond_N = values[order], np.cumsum(weights[order]) - weights[order]
    total = float(weights.sum())
    observed = float(sorted_N[_last(beyond_N <= rate * total)])
    by_count = num >= enough_to_count(rate, confidence)
    limit = (
        _counted(sorted_N, beyond_N, num, rate, confidence) if by_count else _tail(values, weights, rate, confidence)
    )
    beyond = float(weights[values > limit].sum()) / total
    return Bound(limit, min(observed, limit), rate, beyond, num, "count" if by_count else "tail")


def _last(kept: Labels) -> int:
    return int(np.flatnonzero(kept)[-1])


def _counted(sorted_N: Scores, beyond_N: Scores, num: int, rate: float, confidence: float) -> float:
    """The lowest value above which so few others lie that the rate is kept (Clopper and Pearson, rounded up)."""
    too_many = bisect_left(range(num), True, key=lambda hits: rate_below(num, hits, confidence) > rate)
    return float(sorted_N[_last(np.ceil(beyond_N - 1e-9) <= max(too_many - 1, 0))])


def _tail(values: Scores, weights: Scores, rate: float, confidence: float) -> float:
    """The median plus as many scales as the rate asks, or the largest value if that is more."""
    if len(values) < LEAST_VALUES:
        return math.inf
    order = np.argsort(-values, kind="stable")
    sorted_N, weights_N = values[order], weights[order]
    mass_N = np.cumsum(weights_N)
    start = min(max(int(np.searchsorted(mass_N, HALF * mass_N[-1])), 1), len(values) - 1)
    mass, median = float(mass_N[start - 1]), float(sorted_N[start])
    scale = float(weights_N[:start] @ (sorted_N[:start] - median)) / mass
    largest = scale * mass / float(gammaincinv(mass, 1 - confidence))
    share = (mass + 1) / float(mass_N[-1])  # the piece at the median counts as above it
    return max(median + largest * math.log(max(share / rate, 1.0)), float(sorted_N[0]))
