"""Turns scores and labels into figures: area under the curve, accuracy, misses. Knows no model.

Scores rise with the likelihood of a defect; labels are true where the piece is defective.
"""

from typing import NamedTuple

import numpy as np

from fusion.calibration import Labels, Scores


class Figures(NamedTuple):
    """How well one kind of score tells good from defective; accuracy at one half, the rest over all limits."""

    accuracy: float
    auc: float
    miss_rate: float
    """At the limit that rejects no more than the stated share of the good pieces."""


def figures(scores: Scores, labels: Labels, false_reject_rate: float) -> Figures:
    return Figures(
        accuracy=float(np.mean((scores >= 0.5) == labels)),
        auc=area_under_curve(scores, labels),
        miss_rate=miss_rate(scores, labels, false_reject_rate),
    )


def area_under_curve(scores: Scores, labels: Labels) -> float:
    """Share of pairs (defective, good) that are in order, ties counting half: Mann and Whitney's statistic."""
    good = np.sort(scores[~labels])
    below = np.searchsorted(good, scores[labels], side="left")
    up_to = np.searchsorted(good, scores[labels], side="right")
    return float((below + up_to).mean() / (2 * len(good)))


def miss_rate(scores: Scores, labels: Labels, false_reject_rate: float) -> float:
    """Share of the defective pieces at or below the limit that rejects at most this share of the good ones."""
    good = np.sort(scores[~labels])[::-1]
    limit = good[min(int(false_reject_rate * len(good)), len(good) - 1)]
    return float(np.mean(scores[labels] <= limit))
