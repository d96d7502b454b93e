"""Control charts that see a change as early as their rate of false alarms allows: one value after the other.

Each is designed for a number of pieces between false alarms (`pieces_between`): time between false alarms, divided by
the time from piece to piece.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from inspector.statistics.run_lengths import (
    bernoulli_run_length,
    cusum_run_length,
    ewma_run_length,
    ewma_sd,
    return_run_length,
)

PRECISION = 0.005
"""Relative, of the limits that are searched for."""


@dataclass(frozen=True, slots=True)
class BernoulliCusum:
    """Finds that a share has grown from `before` to `after`. A sum falls by 1 with a good piece (not below 0), rises by
    `rise` with a bad one, and gives a signal at `limit`."""

    before: float
    after: float
    rise: int
    limit: int

    @classmethod
    def designed(cls, before: float, after: float, pieces_between: float) -> "BernoulliCusum":
        """The smallest limit that keeps at least `pieces_between` between false alarms. Raises ValueError."""
        rise = rise_for(before, after)
        limit = _first_whole(lambda limit: bernoulli_run_length(before, rise, limit) >= pieces_between)
        return cls(before, after, rise, limit)

    def next(self, total: int, is_bad: bool) -> int:
        return total + self.rise if is_bad else max(0, total - 1)

    def mean_pieces(self, share: float) -> float:
        """Mean number of pieces to a signal, from the sum 0, while this share is bad."""
        return bernoulli_run_length(share, self.rise, self.limit)


@dataclass(frozen=True, slots=True)
class BernoulliReturn:
    """Finds that a share has fallen back: the mirror of `BernoulliCusum`. A sum rises by 1 with a good piece and falls
    by `fall` with a bad one."""

    fall: int
    limit: int

    @classmethod
    def designed(cls, chart: BernoulliCusum, pieces_between: float) -> "BernoulliReturn":
        """With `pieces_between` on average to a signal while the share is still `chart.after`."""
        limit = _first_whole(lambda limit: return_run_length(chart.after, chart.rise, limit) >= pieces_between)
        return cls(chart.rise, limit)

    def next(self, total: int, is_bad: bool) -> int:
        return max(0, total - self.fall) if is_bad else total + 1


def rise_for(before: float, after: float) -> int:
    """By the ratio of likelihoods, rounded. Raises ValueError where no whole number fits."""
    if not 0.0 < before < after < 1.0:
        raise ValueError(f"shares of {before} before and {after} after are not in order; 0 < before < after < 1")
    falls = math.log((1.0 - before) / (1.0 - after))
    rises = math.log(after * (1.0 - before) / (before * (1.0 - after)))
    pieces = round(rises / falls)
    if not before < 1.0 / pieces < after:
        raise ValueError(f"shares of {before} and {after} are too close for a chart; set the second one higher")
    return pieces - 1


@dataclass(frozen=True, slots=True)
class Cusum:
    """Finds that the mean of values N(0, 1) has moved by 2 * `slack`, up or down."""

    slack: float
    limit: float

    @classmethod
    def designed(cls, shift: float, pieces_between: float) -> "Cusum":
        slack = shift / 2.0
        return cls(slack, _first(lambda limit: cusum_run_length(slack, limit), pieces_between, 1.0))

    def next(self, sums: tuple[float, float], value: float) -> tuple[float, float]:
        """The sums for a rise and for a fall."""
        up, down = sums
        return max(0.0, up + value - self.slack), max(0.0, down - value - self.slack)

    def mean_pieces(self, shift: float) -> float:
        return cusum_run_length(self.slack, self.limit, shift)


@dataclass(frozen=True, slots=True)
class Ewma:
    """Finds that the mean of values N(0, 1) has moved, by an average in which the newest value has this weight."""

    weight: float
    limit: float
    """In standard deviations of the average."""

    @classmethod
    def designed(cls, weight: float, pieces_between: float) -> "Ewma":
        return cls(weight, _first(lambda limit: ewma_run_length(weight, limit), pieces_between, 1.0))

    def next(self, average: float, value: float) -> float:
        return average + self.weight * (value - average)

    def height(self, average: float) -> float:
        """In standard deviations of the average."""
        return average / ewma_sd(self.weight)

    def mean_pieces(self, shift: float) -> float:
        return ewma_run_length(self.weight, self.limit, shift)


def _first_whole(is_enough: Callable[[int], bool]) -> int:
    """The smallest number, at least 2, for which a growing condition holds."""
    low, high = 1, 2
    while not is_enough(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high


def _first(length: Callable[[float], float], min_length: float, start: float) -> float:
    """Where a growing run length reaches `min_length`: its logarithm is nearly straight."""
    low, high = 0.0, start
    while length(high) < min_length:
        low, high = high, 1.5 * high
    while high - low > PRECISION * high:
        middle = (low + high) / 2.0
        low, high = (low, middle) if length(middle) >= min_length else (middle, high)
    return high
