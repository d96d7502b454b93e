"""Computes figures from scores and labels: area under the curve, accuracy, misses.

Scores rise with the likelihood of a defect; labels are true where the piece is defective.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusion.calibration import Labels, Scores
from inspector.statistics.bootstrap import Interval


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


class RocCurve(NamedTuple):
    """Both (K,), rising from 0 to 1: shares of the good and of the defective pieces at or above falling scores."""

    good: Scores
    defective: Scores


def roc_curve(scores: Scores, labels: Labels) -> RocCurve:
    """Its trapezoids add up to `area_under_curve`. Good and defective pieces are needed."""
    cuts = np.unique(scores)[::-1]
    good, defective = (_shares_from(np.sort(scores[side]), cuts) for side in (~labels, labels))
    return RocCurve(good, defective)


def _shares_from(ascending: Scores, cuts: Scores) -> Scores:
    shares: Scores = 1 - np.searchsorted(ascending, cuts, side="left") / len(ascending)
    return np.concatenate([[0.0], shares])


def cross_entropy(logits_WP: Scores, labels: Labels) -> Scores:
    """(P,) loss of log-odds of a defect, mean over the first axis; NaN where one of them is."""
    known = ~np.isnan(logits_WP).any(0)
    losses = np.full(len(labels), np.nan)
    signed_WP = np.where(labels[known], -logits_WP[:, known], logits_WP[:, known])
    losses[known] = np.logaddexp(0.0, signed_WP).mean(0)
    return losses


def miss_rate(scores: Scores, labels: Labels, false_reject_rate: float) -> float:
    """Share of the defective pieces at or below the limit that rejects at most this share of the good ones."""
    good = np.sort(scores[~labels])[::-1]
    limit = good[min(int(false_reject_rate * len(good)), len(good) - 1)]
    return float(np.mean(scores[labels] <= limit))


class Certainty(NamedTuple):
    """95 % intervals of accuracy at one half and area under the curve by resampling."""

    accuracy: Interval
    auc: Interval


def certainty(scores: Scores, labels: Labels, weights_DV: NDArray[np.int64]) -> Certainty:
    """`weights_DV` counts how often each draw takes each piece: see `inspector.statistics.bootstrap.unit_weights`."""
    right = (scores >= 0.5) == labels
    accuracies = weights_DV @ right / weights_DV.sum(1).clip(1)
    drawn = areas(scores, labels, weights_DV)
    return Certainty(
        Interval(float(right.mean()), *_ends(accuracies)), Interval(area_under_curve(scores, labels), *_ends(drawn))
    )


def areas(scores: Scores, labels: Labels, weights_DV: NDArray[np.int64]) -> Scores:
    """`area_under_curve` of each draw; NaN for one without good or without defective pieces."""
    order = np.argsort(scores[~labels])
    good, weights_DG, weights_DB = scores[~labels][order], weights_DV[:, ~labels][:, order], weights_DV[:, labels]
    below_DG = np.concatenate([np.zeros((len(weights_DV), 1)), weights_DG.cumsum(1)], axis=1)
    first, last = (np.searchsorted(good, scores[labels], side=side) for side in ("left", "right"))
    in_order = (weights_DB * (below_DG[:, first] + below_DG[:, last])).sum(1) / 2
    pairs = weights_DB.sum(1) * weights_DG.sum(1)
    areas: Scores = np.divide(in_order, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)
    return areas


def _ends(draws: Scores) -> tuple[float, float]:
    low, high = np.nanquantile(draws, [0.025, 0.975])
    return float(low), float(high)
