"""Turns log-odds into calibrated probabilities, and costs into limits. Runs without torch.

PASS is a score below `pass_below`, FAIL a score above `fail_above`; every other score, including the limits, is REVIEW.
"""

from typing import NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
Labels = NDArray[np.bool_]
"""True is defective."""


class Fit(NamedTuple):
    """probability = sigmoid(logit / temperature + bias)"""

    temperature: float
    bias: float


class Limits(NamedTuple):
    pass_below: float
    fail_above: float


class Costs(NamedTuple):
    """Cost of each decision, in one currency."""

    escape: float
    false_reject: float
    review: float


@overload
def probability(logit: float, temperature: float, bias: float) -> float: ...
@overload
def probability(logit: Scores, temperature: float, bias: float) -> Scores: ...
def probability(logit: float | Scores, temperature: float, bias: float) -> float | Scores:
    """sigmoid(logit / temperature + bias), without overflow."""
    if isinstance(logit, float):  # seven calls of numpy cost more than the rest of the decision
        single = logit / temperature + bias
        smaller = float(np.exp(-abs(single)))
        return (1.0 if single >= 0 else smaller) / (1.0 + smaller)
    scaled = np.asarray(logit, np.float64) / temperature + bias
    odds = np.exp(-np.abs(scaled))
    result = np.where(scaled >= 0, 1.0, odds) / (1.0 + odds)
    return result if isinstance(logit, np.ndarray) else float(result)


def fit(logits: Scores, labels: Labels, weights: Scores | None = None) -> Fit:
    """Platt's sigmoid with smoothed targets (1999), by Newton's method; keeps the order of the logits."""
    if labels.all() or not labels.any():
        raise ValueError(f"calibration needs good and defective pieces, got {labels.sum()} defective of {len(labels)}")
    weights = np.ones(len(logits)) if weights is None else weights
    num_bad, num_good = float(weights[labels].sum()), float(weights[~labels].sum())
    targets = np.where(labels, (num_bad + 1) / (num_bad + 2), 1 / (num_good + 2))
    # Centred, so that the bias still fits where the slope is bounded to keep the order.
    centre, scale = float(np.mean(logits)), max(float(np.std(logits)), 1e-6)
    columns = np.stack([(logits - centre) / scale, np.ones(len(logits))], axis=1)
    slope, bias = newton(columns, targets, weights, 1e-3 * np.eye(2), np.zeros(2)).tolist()
    temperature = scale / max(slope, 1e-2)
    return Fit(temperature=temperature, bias=bias - centre / temperature)


def newton(columns: Scores, targets: Scores, weights: Scores, ridge: Scores, centre: Scores) -> Scores:
    """(T,) parameters with the least cross-entropy plus a ridge about the centre; halves each step until the loss does
    not rise. `columns`: (P, T)."""

    def loss(theta: Scores) -> float:
        margins, off = columns @ theta, theta - centre
        losses = np.logaddexp(0.0, margins) - targets * margins
        return float(weights @ losses + 0.5 * off @ ridge @ off)

    theta = centre
    for _ in range(50):
        estimates = probability(columns @ theta, 1.0, 0.0)
        gradient = columns.T @ (weights * (estimates - targets)) + ridge @ (theta - centre)
        curvature = (columns.T * (weights * estimates * (1 - estimates))) @ columns + ridge
        step = np.linalg.solve(curvature, gradient)
        while loss(theta - step) > loss(theta) and np.abs(step).max() > 1e-9:
            step = step / 2
        theta = theta - step
        if np.abs(step).max() < 1e-7:
            break
    return theta


def cheapest_limits(costs: Costs) -> Limits:
    """The zones of the least expected cost for calibrated scores; a single limit where a review never pays.

    With p the probability of a defect, a PASS costs p * escape, a FAIL (1 - p) * false_reject, a review `review`.
    """
    pass_below, fail_above = costs.review / costs.escape, 1 - costs.review / costs.false_reject
    if pass_below <= fail_above:
        return Limits(pass_below, fail_above)
    middle = costs.false_reject / (costs.false_reject + costs.escape)
    return Limits(middle, middle)
