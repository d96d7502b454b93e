"""Control limits for shares of defective pieces: the p chart, and Laney's p' chart where shares vary more than chance.

D. B. Laney, Improved control charts for attributes, Quality Engineering 14 (2002) 531-537.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

SIGMAS = 3.0
MEAN_RANGE_PER_SIGMA = 1.128
"""Mean distance of two neighbouring values of a normal distribution, in standard deviations (d2 for two values)."""
MIN_SUBGROUPS = 12
"""Fewer subgroups say too little about how shares vary: the limits are then those of chance alone."""
MIN_EXPECTED = 1.0
"""A subgroup in which less than one defective piece is expected is never called out of control: one piece would do."""


@dataclass(frozen=True, slots=True)
class Subgroup:
    """Pieces of one stretch of time."""

    num_pieces: int
    num_defective: int

    @property
    def share(self) -> float:
        return self.num_defective / self.num_pieces


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one subgroup, as shares from 0 to 1."""

    low: float
    centre: float
    high: float
    out_of_control: bool


@dataclass(frozen=True, slots=True)
class ControlChart:
    """Limits for each subgroup that has pieces (None for the others)."""

    centre: float
    spread: float
    """How much more the shares vary between subgroups than chance explains: 1 for chance alone (Laney's sigma z)."""
    limits: tuple[Limits | None, ...]


def control_chart(subgroups: Sequence[Subgroup]) -> ControlChart:
    """Limits three standard deviations around the mean share.

    They are never narrower than chance: a spread below 1 comes from few subgroups rather than from a process that is
    more regular than dice.
    """
    num_pieces = sum(subgroup.num_pieces for subgroup in subgroups)
    centre = sum(subgroup.num_defective for subgroup in subgroups) / num_pieces if num_pieces else 0.0
    filled = [subgroup for subgroup in subgroups if subgroup.num_pieces]
    spread = _spread(filled, centre)
    return ControlChart(centre, spread, tuple(_limits(subgroup, centre, spread) for subgroup in subgroups))


def _spread(subgroups: Sequence[Subgroup], centre: float) -> float:
    if len(subgroups) < MIN_SUBGROUPS or not 0 < centre < 1:
        return 1.0
    scores = [(subgroup.share - centre) / _chance(subgroup, centre) for subgroup in subgroups]
    ranges = [abs(after - before) for before, after in pairwise(scores)]
    return max(1.0, sum(ranges) / len(ranges) / MEAN_RANGE_PER_SIGMA)


def _chance(subgroup: Subgroup, centre: float) -> float:
    """Standard deviation of the share by chance alone."""
    return math.sqrt(centre * (1 - centre) / subgroup.num_pieces)


def _limits(subgroup: Subgroup, centre: float, spread: float) -> Limits | None:
    if not subgroup.num_pieces:
        return None
    width = SIGMAS * spread * _chance(subgroup, centre)
    low, high = max(0.0, centre - width), min(1.0, centre + width)
    enough = subgroup.num_pieces * centre >= MIN_EXPECTED
    return Limits(low, centre, high, enough and not low <= subgroup.share <= high)
