"""Chooses calibrations and limits from cross-fitted scores. Knows no network."""

import numpy as np

from fusion.calibration import Costs, Labels, Limits, Scores, cheapest_limits, choose_limits, fit, probability
from fusion.scored import ExpertSet, Scored
from inspector.bundle.schema import Calibration
from inspector.training.config import Acceptance


def calibrate(scored: Scored, experts: ExpertSet, whole: bool, acceptance: Acceptance) -> Calibration:
    """Fits on every piece that these experts could see: train out of fold, and unseen.

    Labels are the piece's also where a modality is missing: what the set cannot see is then part of its doubt. Pieces
    count once each, however often a recording recurs: one vote per recording changes the mix of defects, and by halves
    of the groups it made the log-loss of two real sets .001 and .010 worse.
    """
    able = ~np.isnan(scored.of(experts))
    logits, labels = scored.of(experts)[able], scored.labels[able]
    sigmoid = fit(logits, labels)
    limits = _limits(probability(logits, sigmoid.temperature, sigmoid.bias), labels, whole, acceptance)
    return Calibration(
        experts=tuple(sorted(experts)),
        temperature=sigmoid.temperature,
        bias=sigmoid.bias,
        pass_below=limits.pass_below,
        fail_above=limits.fail_above,
    )


def _limits(scores: Scores, labels: Labels, whole: bool, acceptance: Acceptance) -> Limits:
    if acceptance.costs is not None:
        return cheapest_limits(Costs(**acceptance.costs.model_dump()))
    return choose_limits(scores, labels, acceptance.risk(acceptance.review_share if whole else 1.0))
