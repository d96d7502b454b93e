"""Puts each expert on the scale of log-odds before the head is judged, so that steps do not repair a bad scale.

Platt's sigmoid per expert, where every group of recordings counts once, however many pieces it recurs in: pieces pair
recordings, and a picture in thirty pieces is no thirty pictures. A prior holds it near the expert's own log-odds.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from fusion.calibration import Labels, Scores, probability

SPREAD = 2.0
"""Standard deviation of the prior of log slope and bias: a weak one, seven times steeper or flatter is no surprise."""
CERTAIN = 30.0
"""Log-odds beyond this are certainty, as in the head."""


class Sigmoid(NamedTuple):
    """log-odds = logit * exp(log_slope) + bias"""

    log_slope: float
    bias: float


def group_weights(groups: NDArray[np.int64]) -> Scores:
    """(P,) weights with which each group counts once."""
    _, owners, counts = np.unique(groups, return_inverse=True, return_counts=True)
    weights: Scores = 1.0 / counts[owners]
    return weights


def fit_sigmoid(logits: Scores, labels: Labels, weights: Scores, spread: float = SPREAD) -> Sigmoid:
    """Most likely under the prior, with Platt's smoothed targets; the identity if all are labelled alike."""
    bad, good = float(weights[labels].sum()), float(weights[~labels].sum())
    if not bad or not good:
        return Sigmoid(0.0, 0.0)
    bounded = logits.clip(-CERTAIN, CERTAIN)
    targets = np.where(labels, (bad + 1) / (bad + 2), 1 / (good + 2))

    def loss(theta: Scores) -> tuple[float, Scores]:
        slope = math.exp(theta[0])
        margins = slope * bounded + theta[1]
        misfit = weights @ (np.logaddexp(0.0, margins) - targets * margins)
        errors = weights * (probability(margins, 1.0, 0.0) - targets)
        gradient = np.array([slope * (errors @ bounded), errors.sum()]) + theta / spread**2
        return float(misfit + theta @ theta / (2 * spread**2)), gradient

    best = minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B", bounds=[(-5.0, 5.0), (-CERTAIN, CERTAIN)])
    return Sigmoid(float(best.x[0]), float(best.x[1]))
