"""Puts the log-odds of every set of experts on one scale, each drawn to a shared one in proportion to its evidence.

The shared scale is that of all experts, drawn to (1, 0): the experts are calibrated, and noisy-or of probabilities is
one. Each other set is drawn to the shared scale, or, where it leaves out a modality, to what the shared scale becomes
by the defects that the set cannot see.
"""

from typing import NamedTuple

import numpy as np

from fusion.calibration import Labels, Scores, newton, probability
from fusion.scored import ExpertSet, Scored
from inspector.training.calibration.units import num_units

LEAST_SLOPE = 0.1
"""Of the prior's slope: keeps the order of the log-odds."""
SURE = 50.0
"""Log-odds are cut here; beyond it they are certain."""


class Prior(NamedTuple):
    """A belief about a sigmoid before any piece is seen: normal, with standard deviations."""

    slope: float
    """1 / temperature."""
    bias: float
    slope_error: float
    """Relative to the slope."""
    bias_error: float


IDENTITY = Prior(1.0, 0.0, 0.35, 0.5)
"""A slope of half or twice the expected is two standard deviations away."""
SLOPE_ERROR, BIAS_ERROR = 0.2, 0.3
"""Of a smaller set, about the shared scale: sets of the same experts are on the same scale already."""


class Scale(NamedTuple):
    """log-odds = logit * slope + bias, with standard errors given the prior."""

    slope: float
    bias: float
    slope_error: float
    bias_error: float

    @property
    def temperature(self) -> float:
        return 1 / self.slope

    def of(self, logits: Scores) -> Scores:
        """Calibrated log-odds; NaN stays."""
        calibrated: Scores = logits.clip(-SURE, SURE) * self.slope + self.bias
        return calibrated


def shared_scale(scored: Scored) -> Scale:
    """Of all experts together."""
    return _fit(scored, frozenset(scored.experts), IDENTITY)


def scale_of(scored: Scored, experts: ExpertSet, whole: bool, shared: Scale) -> Scale:
    """Of one set; `whole`: it covers all modalities."""
    if experts == frozenset(scored.experts):
        return shared
    slope, bias = (shared.slope, shared.bias) if whole else _with_unseen(scored, experts, shared)
    return _fit(scored, experts, Prior(slope, bias, SLOPE_ERROR, BIAS_ERROR))


def _fit(scored: Scored, experts: ExpertSet, prior: Prior) -> Scale:
    """Pieces keep their mix, and weigh together as many as there are independent ones of the scarcer label: weighting
    by recording changes the mix of defects, and made the log-loss of two real sets .001 and .010 worse."""
    logits, labels, weight = _pieces(scored, experts)
    return fit_scale(logits, labels.astype(np.float64), np.full(len(labels), weight), prior)


def _pieces(scored: Scored, experts: ExpertSet) -> tuple[Scores, Labels, float]:
    """Pieces that these experts can score: log-odds, labels, and the weight of each as evidence."""
    logits = scored.of(experts)
    able = ~np.isnan(logits)
    sides = [able & scored.labels, able & ~scored.labels]
    shares = [num_units(scored.units, side) / max(int(side.sum()), 1) for side in sides]
    return logits[able].clip(-SURE, SURE), scored.labels[able], min(shares)


def _with_unseen(scored: Scored, experts: ExpertSet, shared: Scale) -> tuple[float, float]:
    """The sigmoid nearest to noisy-or of the shared scale with an unseen cause, as frequent as the labels say."""
    logits, labels, _ = _pieces(scored, experts)
    if labels.all() or not labels.any():
        return shared.slope, shared.bias
    seen = probability(shared.of(logits), 1.0, 0.0)
    base, expected = float(labels.mean()), float(seen.mean())
    unseen = min(max((base - expected) / (1 - expected), 0.0), 0.95)
    weak = Prior(shared.slope, shared.bias, 1.0, 1.0)
    nearest = fit_scale(logits, 1 - (1 - seen) * (1 - unseen), np.full(len(logits), 1000 / len(logits)), weak)
    return nearest.slope, nearest.bias


def fit_scale(logits: Scores, targets: Scores, weights: Scores, prior: Prior) -> Scale:
    """Drawn to the prior by its errors: the fewer pieces (by weight), the more. Targets lie in 0..1."""
    columns = np.stack([logits, np.ones(len(logits))], axis=1)
    precision = np.array([(prior.slope_error * prior.slope) ** -2, prior.bias_error**-2])
    slope, bias = newton(columns, targets, weights, np.diag(precision), np.array([prior.slope, prior.bias]))
    least = LEAST_SLOPE * prior.slope
    if slope < least:
        precision[0] *= 1e9
        slope, bias = newton(columns, targets, weights, np.diag(precision), np.array([least, prior.bias]))
    estimates = probability(columns @ np.array([slope, bias]), 1.0, 0.0)
    curvature = (columns.T * (weights * estimates * (1 - estimates))) @ columns + np.diag(precision)
    slope_error, bias_error = np.sqrt(np.diag(np.linalg.inv(curvature))).tolist()
    return Scale(max(slope, least), bias, slope_error, bias_error)
