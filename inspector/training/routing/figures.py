"""Recall, area under the curve and accuracy of routed scores, for all pieces and for bootstrap draws of them.

Letters: P pieces, D draws, F figures, G good and B defective pieces.
"""

from typing import NamedTuple

import numpy as np

from fusion.calibration import Labels, Scores
from inspector.training.routing.frontier import RATES

FIGURES = ("recall", "AUC", "accuracy", "decisions")
"""Mean recall at RATES; area under the curve; correct sides of one half; pieces that are not decided wrongly at the
limits of each set of experts: a REVIEW is not wrong."""
HALF = 0.5


class Routed(NamedTuple):
    """How pieces come out under one policy or static set."""

    scores: Scores
    """(P,) calibrated; NaN where no expert ran."""
    right: Labels
    """(P,) false for a defective piece that passes and a good one that fails."""


def figures(routed: Routed, labels: Labels, weights_DP: Scores) -> Scores:
    """(D, F) of each draw; NaN for a draw of good or defective pieces only."""
    scores = np.nan_to_num(routed.scores, nan=-1.0)
    order = np.lexsort((labels, -scores))
    # Descending, and good before defective pieces of the same score: a piece at the limit is not above it.
    ranked, bad = scores[order], labels[order]
    weights = weights_DP[:, order]
    good_DP, bad_DP = np.cumsum(weights * ~bad, axis=1), np.cumsum(weights * bad, axis=1)
    right = np.stack([(routed.scores >= HALF) == labels, routed.right], axis=1).astype(np.float64)
    totals = weights.sum(1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        result = np.column_stack([_recall(good_DP, bad_DP), _auc(ranked, good_DP, bad_DP), weights_DP @ right / totals])
    result[(good_DP[:, -1] == 0) | (bad_DP[:, -1] == 0)] = np.nan
    return result


def _recall(good_DP: Scores, bad_DP: Scores) -> Scores:
    """(D,) mean over RATES, each at the lowest limit with at most this share of the good pieces above it."""
    above_D = np.zeros(len(good_DP))
    for rate in RATES:
        # A whole number of good pieces, as in `frontier.limit`.
        allowed_D1 = np.floor(rate * good_DP[:, -1:] + 1e-9)
        last_D = (good_DP <= allowed_D1).sum(1) - 1
        caught_D = np.take_along_axis(bad_DP, last_D.clip(0)[:, None], axis=1)[:, 0]
        above_D += np.where(last_D < 0, 0.0, caught_D)
    return above_D / len(RATES) / bad_DP[:, -1]


def _auc(ranked: Scores, good_DP: Scores, bad_DP: Scores) -> Scores:
    """(D,) probability that a defective piece lies above a good one; ties count one half."""
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], [True]))
    good_DU, bad_DU = good_DP[:, ends], bad_DP[:, ends]
    tied_DU = np.diff(good_DU, axis=1, prepend=0.0)
    # Good pieces below a group of equal scores, and half of those in it.
    below_DU = good_DU[:, -1:] - good_DU + tied_DU / 2
    pairs_D: Scores = (np.diff(bad_DU, axis=1, prepend=0.0) * below_DU).sum(1)
    return pairs_D / (good_DU[:, -1] * bad_DU[:, -1])
