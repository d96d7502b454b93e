"""Turns counts of independent defects and of misses among them into what may be promised. Knows no scores, no model.

Learn then test (Angelopoulos et al. 2021) with fixed-sequence testing: thresholds are listed beforehand, the strictest
first, and tested in this order until the first that fails. The p-value is that of mapie's controllers for a binary
loss, rounding included, so that training can hold the two against each other.
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
"""Levels are told apart to one in a million, and rounded up."""


@lru_cache(maxsize=4096)
def p_value(num_defects: int, num_misses: int, miss_rate: float) -> float:
    """Chance of so few misses were the true rate above `miss_rate` (0 < miss_rate < 1); 1 without any defect."""
    if num_defects == 0:
        return 1.0
    found_rate = 1 - (num_defects - num_misses) / num_defects
    # mapie rounds up n * rate: by its floating point a miss may count as two. That is the safe side, so it stays.
    bentkus = _binomial_cdf(math.ceil(num_defects * found_rate), num_defects, miss_rate)
    return min(bentkus, math.exp(-num_defects * _divergence(min(found_rate, miss_rate), miss_rate)))


def _divergence(found: float, asked: float) -> float:
    """Kullback-Leibler divergence of two coins: Hoeffding's exponent."""
    hits = (1 - found) * math.log((1 - found) / (1 - asked)) if found < 1 else 0.0
    return hits + (found * math.log(found / asked) if found > 0 else 0.0)


def _binomial_cdf(most: int, num: int, share: float) -> float:
    """P(X <= most) for X ~ Binomial(num, share), summed in logarithms."""
    if most >= num:
        return 1.0
    steps = np.arange(1, most + 1)
    odds = math.log(share) - math.log1p(-share)
    logs = np.concatenate([[0.0], np.cumsum(np.log((num - steps + 1) / steps) + odds)])
    return float(np.exp(np.logaddexp.reduce(logs + num * math.log1p(-share))))


def certifies(num_defects: int, num_misses: int, miss_rate: float, confidence: float) -> bool:
    """Whether these counts at one threshold allow to promise `miss_rate`."""
    return p_value(num_defects, num_misses, miss_rate) <= 1 - confidence


def last_valid(misses: Sequence[int], num_defects: int, miss_rate: float, confidence: float) -> int | None:
    """Index of the last threshold before the first that fails; `misses` as the sequence was listed beforehand."""
    valid = None
    for index, missed in enumerate(misses):
        if not certifies(num_defects, missed, miss_rate, confidence):
            break
        valid = index
    return valid


def further_defects(num_defects: int, num_misses: int, miss_rate: float, confidence: float) -> int:
    """How many more independent defects, none of them missed, would certify `miss_rate`."""
    return bisect_left(
        range(MAX_DEFECTS),
        True,
        key=lambda more: certifies(num_defects + more, num_misses, miss_rate, confidence),
    )


def certifiable_level(num_defects: int, num_misses: int, confidence: float) -> float:
    """The smallest miss rate that these counts certify; 1 where they certify none."""
    share = bisect_left(
        range(1, _LEVELS),
        True,
        key=lambda millionths: certifies(num_defects, num_misses, millionths / _LEVELS, confidence),
    )
    return (share + 1) / _LEVELS


def rate_below(num: int, found: int, confidence: float) -> float:
    """One-sided upper bound of the share of which `found` in `num` is a sample (Clopper and Pearson 1934)."""
    low, high = 0.0, 1.0
    while found < num and (middle := (low + high) / 2) not in (low, high):
        low, high = (low, middle) if _binomial_cdf(found, num, middle) <= 1 - confidence else (middle, high)
    return high


def independent(piece_ids: Sequence[str], units: Sequence[AbstractSet[str]]) -> list[int]:
    """Indices, ascending, of pieces of which no two share a unit of evidence.

    Taken greedily in the order of a hash of the names: the same for everybody, and blind to scores.
    """
    order = sorted(range(len(piece_ids)), key=lambda i: hashlib.sha256(piece_ids[i].encode()).digest())
    taken: set[str] = set()
    chosen = []
    for index in order:
        if taken.isdisjoint(units[index]):
            taken |= units[index]
            chosen.append(index)
    return sorted(chosen)
