"""Weighs the gain of something more complex against the simple thing, by the independent recordings that show it.

Two rules use it. `BOUND` takes an alternative only where its gain is above zero with 95 % confidence, for all compared
alternatives together. `SHRINKAGE` always takes it, but by its weight alone: 0 where the gain is no larger than chance
makes the best of so many. Both shrink what was learned toward the simple thing by the weight.
Letters: A alternatives, P pieces, D draws, U units.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from fusion.calibration import Labels, Scores
from fusion.certificate import independent
from inspector.statistics.bootstrap import NUM_DRAWS, unit_weights

Units = Sequence[Collection[str]]
"""Per piece, the groups of its recordings, whose pieces are not independent."""

CONFIDENCE = 0.95
HALF = 0.5
MIN_DEFECTS = 10
"""Least number of independent defective units, and of good ones. Below, nothing more complex is taken: a bootstrap over
fewer units does not know its own error."""


class Rule(StrEnum):
    """When something more complex is taken."""

    BOUND = "bound"
    """Its simultaneous lower bound is above zero; then shrunk."""
    SHRINKAGE = "shrinkage"
    """Always shrunk by its weight, which is 0 for gains that chance alone makes."""


@dataclass(frozen=True)
class Gain:
    """What one alternative gains on the simple thing, per piece; positive is better."""

    alternative: str
    mean: float
    error: float
    """Standard error over independent units."""
    low: float
    """One-sided lower bound at 95 %, which holds for all compared alternatives together."""
    high: float
    """The upper bound of the same kind."""
    weight: float
    """Share of the gain that is no chance, 0 to 1: positive-part empirical Bayes."""

    def __str__(self) -> str:
        return f"{self.mean:+.4f} [{self.low:+.4f}, {self.high:+.4f}]"


@dataclass(frozen=True)
class Evidence:
    """The gains of all compared alternatives, in the order given, and what they rest on."""

    gains: tuple[Gain, ...]
    defective: int
    """Independent defective pieces: no two share a unit."""
    good: int

    @property
    def enough(self) -> bool:
        """Whether there are units enough to judge anything."""
        return min(self.defective, self.good) >= MIN_DEFECTS

    def is_beyond_chance(self, index: int) -> bool:
        """Whether the gain of this alternative is above zero, with confidence, and rests on enough units."""
        return self.enough and self.gains[index].low > 0

    def weight(self, index: int, rule: Rule) -> float:
        """Share of this alternative to take, 0 to 1; the rest is the simple thing."""
        taken = self.is_beyond_chance(index) if rule is Rule.BOUND else self.enough
        return self.gains[index].weight if taken else 0.0

    def takes(self, index: int, rule: Rule) -> bool:
        """Whether to take this alternative, where it cannot be taken in part."""
        return self.weight(index, rule) >= HALF

    def groups(self) -> str:
        return f"{self.defective} independent defective and {self.good} good pieces"


@dataclass(frozen=True)
class Choice:
    """One decision of a training, for its report."""

    subject: str
    chosen: str
    alternative: str
    """What was not chosen; or what was simpler, where the complex thing was chosen."""
    gain: Gain | None
    """Of the more complex of the two; None if nothing could be compared."""
    groups: str
    reason: str = ""
    unit: str = "log-loss"
    """What the gain counts in."""

    def line(self) -> str:
        """One sentence: chosen, alternative, gain with interval, groups."""
        gain = "not compared" if self.gain is None else f"{self.gain.alternative} gains {self.gain} in {self.unit}"
        reason = f"; {self.reason}" if self.reason else ""
        return f"{self.subject}: {self.chosen} rather than {self.alternative} ({gain}, from {self.groups}){reason}."


def weigh(gains_AP: Scores, units: Units, labels: Labels, names: Sequence[str], seed: int) -> Evidence:
    """Paired gains per piece, cross-fitted; NaN where a piece was not scored. `labels`: true is defective."""
    known_AP = ~np.isnan(gains_AP)
    weights_DP = unit_weights(units, NUM_DRAWS, seed)
    totals_DA = (weights_DP @ known_AP.T.astype(np.float64)).clip(1e-9)
    draws_DA = weights_DP @ np.where(known_AP, gains_AP, 0.0).T / totals_DA
    means_A = np.where(known_AP, gains_AP, 0.0).sum(1) / known_AP.sum(1).clip(1)
    used: Labels = np.asarray(known_AP.any(0), np.bool_)
    return weigh_draws(means_A, draws_DA, used, units, labels, names)


def weigh_draws(
    means_A: Scores, draws_DA: Scores, used: Labels, units: Units, labels: Labels, names: Sequence[str]
) -> Evidence:
    """`weigh` for any figure: its gains, and the same for each draw of `unit_weights` (NaN where undefined).

    `used` (P,): the pieces that the figure rests on.
    """
    defined_D = ~np.isnan(draws_DA).any(1)
    counts = num_independent(units, used & labels), num_independent(units, used & ~labels)
    if not defined_D.any() or np.isnan(means_A).any():
        unknown = [Gain(name, np.nan, np.nan, np.nan, np.nan, 0.0) for name in names]
        return Evidence(tuple(unknown), *counts)
    draws_DA = draws_DA[defined_D]
    errors_A = draws_DA.std(0).clip(1e-12)
    maxima_D = ((draws_DA - means_A) / errors_A).max(1)
    few = max(num_independent(units, used), 2)
    from scipy.special import ndtri, stdtrit  # configurations are read without it

    reach = float(np.quantile(maxima_D, CONFIDENCE)) * float(stdtrit(few - 1, CONFIDENCE) / ndtri(CONFIDENCE))
    chance = float(np.mean(maxima_D**2))
    gains = [
        Gain(
            name,
            float(mean),
            float(error),
            float(mean - reach * error),
            float(mean + reach * error),
            max(0.0, 1 - chance * float(error / mean) ** 2) if mean > 0 else 0.0,
        )
        for name, mean, error in zip(names, means_A, errors_A, strict=True)
    ]
    return Evidence(tuple(gains), *counts)


def smallest_within_an_error(gains: Sequence[Gain]) -> int:
    """The first alternative whose gain is within one standard error of the best one's: the best of many is a lucky one.

    Alternatives come in the order of their complexity.
    """
    best = max(gains, key=lambda gain: gain.mean)
    return next(index for index, gain in enumerate(gains) if gain.mean >= best.mean - best.error)


def num_independent(units: Units, chosen: NDArray[np.bool_]) -> int:
    """Number of the chosen pieces that share no unit with each other."""
    rows = np.flatnonzero(chosen).tolist()
    return len(independent([f"{row}" for row in rows], [frozenset(units[row]) for row in rows]))
