"""Bounds the share of defective pieces below a limit by what calibrated log-odds say, where they are too few to count.

Defects are of several kinds, plain ones and hidden ones: a tail of their scores that starts at their median then lets
nothing pass. But every piece below the limit, good or bad, counts as defective with the probability that
its log-odds state, if these are calibrated. How far they are is uncertain: slope and bias, and both tails, which
may be flatter than the middle. Letters: P pieces, D draws, U units, T = 4 parameters of the scale.
"""

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from fusion.calibration import Labels, Scores, newton, probability
from inspector.statistics.bootstrap import smooth_weights
from inspector.training.calibration.bounds import Bound, upper_bound
from inspector.training.calibration.scales import IDENTITY
from inspector.training.calibration.units import scarcer_share, unit_weights

KNOT = 1.0
"""Log-odds from which a tail may have another slope than the middle."""
TAIL_ERROR = 0.6
"""Prior standard deviation of a tail's slope, about that of the middle (1): as likely nearly flat as much steeper."""
LEAST_SLOPE = 0.1
NUM_DRAWS = 400
SEED = 0

Units = Sequence[Collection[str]]
Draws = NDArray[np.float64]


def escape_bound(log_odds: Scores, labels: Labels, units: Units, rate: float, confidence: float) -> Bound:
    """Of calibrated log-odds, negated: the highest limit below which at most `rate` of the defective pieces lie, with
    this confidence. By counting where the defective pieces are enough for that; else by the tail of their scores or by
    calibration, whichever lets more pass, and no defect seen lies below."""
    defective = np.flatnonzero(labels).tolist()
    weights = unit_weights([units[row] for row in defective])
    by_scores = upper_bound(-log_odds[labels], weights, rate, confidence)
    if by_scores.method == "count" or not 0 < len(defective) < len(labels) or rate <= 0:
        return by_scores
    order = np.argsort(log_odds, kind="stable")
    high_P = np.quantile(_shares_below(log_odds, labels, units, order), confidence, axis=0)
    ends = np.concatenate([[-np.inf], log_odds[order], [np.inf]])
    last = int(np.max(np.flatnonzero(high_P <= rate), initial=-1)) + 1
    halfway = (ends[last] + ends[last + 1]) / 2 if last else -np.inf
    limit = min(float(halfway), float(log_odds[labels].min()))
    if limit <= -by_scores.limit:
        return by_scores
    return by_scores._replace(limit=-limit, observed=min(by_scores.observed, -limit), beyond=0.0, method="calibration")


def _shares_below(log_odds: Scores, labels: Labels, units: Units, order: NDArray[np.intp]) -> Draws:
    """(D, P) share of all defective pieces that lies below each piece, with half of the piece itself, in this order.

    Each draw has its own scale, and its own weights of recordings."""
    random = np.random.default_rng(SEED)
    states_DP = probability(_scales(log_odds, labels, units, random) @ _columns(log_odds).T, 1.0, 0.0)
    mass_DP = (states_DP * smooth_weights(units, NUM_DRAWS, random))[:, order]
    shares: Draws = (np.cumsum(mass_DP, axis=1) - mass_DP / 2) / mass_DP.sum(1, keepdims=True)
    return shares


def _columns(log_odds: Scores) -> Draws:
    """(P, T)"""
    upper, lower = np.maximum(log_odds - KNOT, 0), np.maximum(-log_odds - KNOT, 0)
    return np.stack([log_odds, np.ones_like(log_odds), upper, lower], axis=1)


def _scales(log_odds: Scores, labels: Labels, units: Units, random: np.random.Generator) -> Draws:
    """(D, T) from the posterior (Laplace); pieces weigh together as many as there are independent ones of the scarcer
    label."""
    columns = _columns(log_odds)
    errors = np.array([IDENTITY.slope_error, IDENTITY.bias_error, TAIL_ERROR, TAIL_ERROR])
    centre, precision = np.array([IDENTITY.slope, IDENTITY.bias, 0.0, 0.0]), np.diag(errors**-2)
    weights = np.full(len(labels), scarcer_share(units, labels))
    best = newton(columns, labels.astype(np.float64), weights, precision, centre)
    states = probability(columns @ best, 1.0, 0.0)
    curvature = (columns.T * (weights * states * (1 - states))) @ columns + precision
    drawn_DT = random.multivariate_normal(best, np.linalg.inv(curvature), NUM_DRAWS)
    slope_D = drawn_DT[:, 0].clip(LEAST_SLOPE)
    upper_D, lower_D = drawn_DT[:, 2].clip(LEAST_SLOPE - slope_D), drawn_DT[:, 3].clip(None, slope_D - LEAST_SLOPE)
    return np.stack([slope_D, drawn_DT[:, 1], upper_D, lower_D], axis=1)
