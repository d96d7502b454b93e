"""Puts the log-odds of every set of experts on one scale, each drawn to a shared one in proportion to its evidence.

The shared scale is that of all experts, drawn to (1, 0): the experts are calibrated, and noisy-or of probabilities is
one. Each other set is drawn to the shared scale, or, where it leaves out a modality, to what the shared scale becomes
by the defects that the set cannot see.
"""

from typing import NamedTuple

import numpy as np

from fusion.calibration import Labels, Scores, newton, probability
from fusion.scored import ExpertSet, Scored
from inspector.training.calibration.units import scarcer_share

LEAST_SLOPE = 0.1
"""Of the prior's slope: keeps the order of the log-odds."""
MOST_UNSEEN = 0.95
"""Largest share of defects that a set is taken not to see."""
SURE = 50.0
"""Log-odds are cut here; beyond it they are certain."""


class Prior(NamedTuple):
    """A belief about a sigmoid before any piece is seen: normal, with standard deviations."""

    slope: float
    """1 / temperature."""
    bias: float
    slope_error: float
    bias_error: float


IDENTITY = Prior(1.0, 0.0, 0.35, 0.5)
"""Of all experts: nearly no slope, or twice the expected, is three standard deviations away."""
SLOPE_ERROR, BIAS_ERROR = 0.2, 0.3
"""Of a smaller set, about the shared scale: its experts are on that scale already. The slope's is relative."""


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


def shared_scale(scored: Scored, defective: float | None = None) -> Scale:
    """Of all experts together. `defective`: share of such pieces in production; None: as here."""
    return _fit(scored, frozenset(scored.experts), IDENTITY, defective)


def scale_of(scored: Scored, experts: ExpertSet, whole: bool, shared: Scale, defective: float | None = None) -> Scale:
    """Of one set; `whole`: it covers all modalities. A set that says what all experts say gets the shared scale."""
    if experts == frozenset(scored.experts):
        return shared
    slope, bias = (shared.slope, shared.bias) if whole else _with_unseen(scored, experts, shared, defective)
    return _fit(scored, experts, _held_back(slope, bias, shared), defective)


def _held_back(slope: float, bias: float, shared: Scale) -> Prior:
    """About this scale. (1, 0) held the shared scale back from its pieces, and holds this one back as much: else the
    same pieces would count twice."""
    errors = SLOPE_ERROR * slope, BIAS_ERROR
    back = (errors[0] / IDENTITY.slope_error) ** 2, (errors[1] / IDENTITY.bias_error) ** 2
    centre = slope - back[0] * (shared.slope - IDENTITY.slope), bias - back[1] * (shared.bias - IDENTITY.bias)
    return Prior(max(centre[0], LEAST_SLOPE * slope), centre[1], *errors)


def _fit(scored: Scored, experts: ExpertSet, prior: Prior, defective: float | None) -> Scale:
    logits, labels, weights = _pieces(scored, experts, defective)
    return fit_scale(logits, labels.astype(np.float64), weights, prior)


def _pieces(scored: Scored, experts: ExpertSet, defective: float | None) -> tuple[Scores, Labels, Scores]:
    """Pieces that these experts can score: log-odds, labels, and weights.

    Pieces keep their mix, and weigh together as many as there are independent ones of the scarcer label: weighting by
    recording changes the mix of defects, and made the log-loss of two real sets .001 and .010 worse.
    """
    logits = scored.of(experts)
    able = ~np.isnan(logits)
    labels = scored.labels[able]
    own = float(labels.mean()) if len(labels) else 0.0
    asked = own if defective is None or not 0 < own < 1 else defective
    mix = np.where(labels, asked / max(own, 1e-9), (1 - asked) / max(1 - own, 1e-9))
    share = scarcer_share([scored.units[row] for row in np.flatnonzero(able).tolist()], labels)
    return logits[able].clip(-SURE, SURE), labels, share * mix


def _with_unseen(scored: Scored, experts: ExpertSet, shared: Scale, defective: float | None) -> tuple[float, float]:
    """The sigmoid nearest to noisy-or of the shared scale with a cause that the set cannot see.

    The cause is as frequent as all experts say of the same pieces, or the labels where these have no scores.
    """
    logits, labels, weights = _pieces(scored, experts, defective)
    if not weights.sum():
        return shared.slope, shared.bias
    everyone = scored.of(scored.experts)[~np.isnan(scored.of(experts))]
    known = weights * ~np.isnan(everyone)
    says = probability(shared.of(np.nan_to_num(everyone)), 1.0, 0.0) if known.sum() else labels.astype(np.float64)
    weights = (known if known.sum() else weights) / (known if known.sum() else weights).sum()
    seen = probability(shared.of(logits), 1.0, 0.0)
    expected = float(weights @ seen)
    unseen = min(max((float(weights @ says) - expected) / (1 - expected), 0.0), MOST_UNSEEN)
    weak = Prior(shared.slope, shared.bias, 1.0, 1.0)
    nearest = fit_scale(logits, 1 - (1 - seen) * (1 - unseen), 1000 * weights, weak)
    return nearest.slope, nearest.bias


def fit_scale(logits: Scores, targets: Scores, weights: Scores, prior: Prior) -> Scale:
    """Drawn to the prior by its errors: the fewer pieces (by weight), the more. Targets lie in 0..1."""
    columns = np.stack([logits, np.ones(len(logits))], axis=1)
    precision = np.array([prior.slope_error, prior.bias_error]) ** -2.0
    slope, bias = newton(columns, targets, weights, np.diag(precision), np.array([prior.slope, prior.bias])).tolist()
    least = LEAST_SLOPE * prior.slope
    if slope < least:
        precision[0] *= 1e9
        slope, bias = newton(columns, targets, weights, np.diag(precision), np.array([least, prior.bias])).tolist()
    estimates = probability(columns @ np.array([slope, bias]), 1.0, 0.0)
    curvature = (columns.T * (weights * estimates * (1 - estimates))) @ columns + np.diag(precision)
    slope_error, bias_error = np.sqrt(np.diag(np.linalg.inv(curvature))).tolist()
    return Scale(max(slope, least), bias, slope_error, bias_error)
