"""Turns counts of independent defects and of misses among them into certified miss rates.

Learn then test (Angelopoulos et al. 2021) with fixed-sequence testing: thresholds are listed beforehand, the strictest
first, and tested in this order until the first failure. The p-value equals that of mapie's controllers for a binary
loss, rounding included, so that training can compare the two.
"""

import hashlib
import math
from bisect import bisect_left
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache

import numpy as np

MAX_DEFECTS = 10**9
_LEVELS = 10**6
"""Levels are resolved to one in a million and rounded up."""


@lru_cache(maxsize=4096)
def p_value(num_defects: int, num_misses: int, miss_rate: float) -> float:
    """Probability of this few misses if the true rate were above `miss_rate` (0 < miss_rate < 1); 1 without defects."""
    if num_defects == 0:
        return 1.0
    observed_rate = 1 - (num_defects - num_misses) / num_defects
    # mapie rounds up n * rate: floating point may turn one miss into two. That errs on the safe side.
    bentkus = _binomial_cdf(math.ceil(num_defects * observed_rate), num_defects, miss_rate)
    return min(bentkus, math.exp(-num_defects * _divergence(min(observed_rate, miss_rate), miss_rate)))


def _divergence(observed: float, claimed: float) -> float:
    """Kullback-Leibler divergence of two coins: Hoeffding's exponent."""
    hits = (1 - observed) * math.log((1 - observed) / (1 - claimed)) if observed < 1 else 0.0
    return hits + (observed * math.log(observed / claimed) if observed > 0 else 0.0)


def _binomial_cdf(most: int, num: int, share: float) -> float:
    """P(X <= most) for X ~ Binomial(num, share), summed in logarithms."""
    if most >= num:
        return 1.0
    steps = np.arange(1, most + 1)
    odds = math.log(share) - math.log1p(-share)
    logs = np.concatenate([[0.0], np.cumsum(np.log((num - steps + 1) / steps) + odds)])
    return float(np.exp(np.logaddexp.reduce(logs + num * math.log1p(-share))))


def certifies(num_defects: int, num_misses: int, miss_rate: float, confidence: float) -> bool:
    """Whether these counts at one threshold certify `miss_rate`."""
    return p_value(num_defects, num_misses, miss_rate) <= 1 - confidence


def last_valid(misses: Sequence[int], num_defects: int, miss_rate: float, confidence: float) -> int | None:
    """Index of the last threshold before the first failure; `misses` in the order fixed beforehand."""
    valid = None
    for index, missed in enumerate(misses):
        if not certifies(num_defects, missed, miss_rate, confidence):
            break
        valid = index
    return valid


def further_defects(num_defects: int, num_misses: int, miss_rate: float, confidence: float) -> int:
    """Number of additional independent defects, none of them missed, that would certify `miss_rate`."""
    return bisect_left(
        range(MAX_DEFECTS),
        True,
        key=lambda more: certifies(num_defects + more, num_misses, miss_rate, confidence),
    )


def certifiable_level(num_defects: int, num_misses: int, confidence: float) -> float:
    """The smallest miss rate that these counts certify; 1 if they certify none."""
    share = bisect_left(
        range(1, _LEVELS),
        True,
        key=lambda millionths: certifies(num_defects, num_misses, millionths / _LEVELS, confidence),
    )
    return (share + 1) / _LEVELS


def rate_below(num: int, hits: int, confidence: float) -> float:
    """One-sided upper bound of a share, given `hits` in a sample of `num` (Clopper and Pearson 1934)."""
    low, high = 0.0, 1.0
    while hits < num and (middle := (low + high) / 2) not in (low, high):
        low, high = (low, middle) if _binomial_cdf(hits, num, middle) <= 1 - confidence else (middle, high)
    return high


def independent(piece_ids: Sequence[str], units: Sequence[AbstractSet[str]]) -> list[int]:
    """Ascending indices of pieces of which no two share a unit of evidence.

    Chosen greedily in the order of a hash of the names: reproducible and independent of scores.
    """
    order = sorted(range(len(piece_ids)), key=lambda i: hashlib.sha256(piece_ids[i].encode()).digest())
    used_units: set[str] = set()
    chosen = []
    for index in order:
        if used_units.isdisjoint(units[index]):
            used_units |= units[index]
            chosen.append(index)
    return sorted(chosen)
