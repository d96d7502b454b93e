"""Says which ways of running fewer experts are shown to lose no more than a margin against all experts.

The bound is one-sided at 95 % and holds for all candidates of a sweep and all figures together, from the paired
differences of cross-fitted scores over bootstrap draws of the independent recordings (`inspector.statistics.evidence`).
Half a recording more than was seen counts as lost (the prior of Jeffreys): of n defects of which a router loses none,
it may still lose 1.92/n, which a bootstrap of what was seen cannot know. Letters: C candidates, P pieces, D draws, F
figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from fusion.calibration import Labels, Scores
from inspector.statistics.bootstrap import essential_units, unit_weights
from inspector.statistics.evidence import Units, num_independent, weigh_draws
from inspector.training.routing.figures import FIGURES, Routed, figures

NUM_DRAWS = 500
MARGINS = {"recall": 0.02, "AUC": 0.01, "accuracy": 0.01, "decisions": 0.01}
"""What a candidate may lose at most. One point of accuracy is two points of recall where half of the pieces are bad."""
AUC_HARM = 0.25
"""What one lost defect loses of its part of the AUC: it falls below a quarter of the good pieces."""
UNSEEN = 0.5
"""Recordings that count as lost beside those that were."""
NONE_LOST = 1.92
"""With none lost of n, the upper bound at 95 % is this over n (Jeffreys)."""


@dataclass(frozen=True)
class Counts:
    """Independent pieces: no two share a recording or group."""

    defective: int
    good: int
    all: int

    def one_lost(self) -> Scores:
        """(F,) what one recording that is lost takes from each figure."""
        defects, both = max(self.defective, 1), max(min(self.defective, self.good), 1)
        everyone = max(self.all, 1)
        return np.array([1 / defects, AUC_HARM / both, 1 / everyone, 1 / everyone])

    def could_show(self) -> bool:
        """Whether candidates that lose nothing on these pieces could be shown to stay within the margins."""
        return bool((NONE_LOST * self.one_lost() <= _margins()).all())

    def __str__(self) -> str:
        return f"{self.defective} independent defective and {self.good} good pieces"


def least_counts() -> Counts:
    """From how many independent pieces on something may be shown, if none is lost."""
    defects, good = NONE_LOST / MARGINS["recall"], NONE_LOST * AUC_HARM / MARGINS["AUC"]
    return Counts(ceil(defects), ceil(good), ceil(NONE_LOST / MARGINS["accuracy"]))


@dataclass(frozen=True)
class Loss:
    """What a candidate loses in each figure, and at most, with confidence."""

    mean: Scores
    high: Scores

    @property
    def acceptable(self) -> bool:
        """Whether every figure is shown to lose no more than its margin."""
        return bool((self.high <= _margins()).all())

    @property
    def seems_acceptable(self) -> bool:
        """Whether every figure loses no more than its margin on the pieces at hand."""
        return bool((self.mean <= _margins()).all())

    def at(self, mean: Scores) -> "Loss":
        """Another mean with the same allowance for chance."""
        return Loss(mean, mean + self.high - self.mean)

    def __str__(self) -> str:
        return ", ".join(
            f"{name} {mean:+.4f} (at most {high:+.4f}, margin {MARGINS[name]:g})"
            for name, mean, high in zip(FIGURES, self.mean.tolist(), self.high.tolist(), strict=True)
        )


def counts(units: Units, labels: Labels) -> Counts:
    numbers = (num_independent(units, chosen) for chosen in (labels, ~labels, np.ones(len(labels), bool)))
    return Counts(*numbers)


def losses(
    candidates: Sequence[Routed], everyone: Routed, labels: Labels, units: Units, seed: int, num_draws: int = NUM_DRAWS
) -> list[Loss]:
    """Loss of each candidate against all experts; the bounds hold for all of them together."""
    if not candidates:
        return []
    weights_DP = unit_weights(essential_units(units), num_draws, seed).astype(np.float64)
    reference_DF = figures(everyone, labels, weights_DP)
    by_outcome = {_key(one): one for one in candidates}  # careful candidates often route alike
    drawn = {key: reference_DF - figures(one, labels, weights_DP) for key, one in by_outcome.items()}
    seen_CDF = np.stack([drawn[_key(one)] for one in candidates])
    seen_CF = np.stack(mean_losses(candidates, everyone, labels))
    unseen_F = UNSEEN * counts(units, labels).one_lost()
    # Mirrored, so that the upper tail of the loss, not its lower one, makes the bound.
    drawn_D1 = 2 - np.random.default_rng(seed).poisson(1.0, (num_draws, 1))
    gains_CF, draws_DCF = -seen_CF - unseen_F, (-seen_CDF + unseen_F * -drawn_D1).transpose(1, 0, 2)
    names = [f"{number} {figure}" for number in range(len(candidates)) for figure in FIGURES]
    evidence = weigh_draws(
        gains_CF.ravel(), draws_DCF.reshape(num_draws, -1), np.ones(len(labels), bool), units, labels, names
    )
    lows_CF = np.array([gain.low for gain in evidence.gains]).reshape(gains_CF.shape)
    return [Loss(mean, -low) for mean, low in zip(seen_CF, lows_CF, strict=True)]


def _key(outcome: Routed) -> bytes:
    return outcome.scores.tobytes() + outcome.right.tobytes()


def mean_losses(candidates: Sequence[Routed], everyone: Routed, labels: Labels) -> list[Scores]:
    """(F,) of each candidate, on all pieces."""
    whole_1P = np.ones((1, len(labels)))
    reference_F = figures(everyone, labels, whole_1P)[0]
    return [reference_F - figures(one, labels, whole_1P)[0] for one in candidates]


def _margins() -> Scores:
    return np.array([MARGINS[name] for name in FIGURES])
