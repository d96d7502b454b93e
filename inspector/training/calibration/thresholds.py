"""Chooses calibrations and limits from cross-fitted scores."""

import numpy as np

from fusion.calibration import Costs, Labels, Limits, Scores, cheapest_limits, choose_limits, fit, probability
from fusion.scored import ExpertSet, Scored
from inspector.bundle.schema import Calibration
from inspector.training.config import Acceptance


def calibrate(scored: Scored, experts: ExpertSet, whole: bool, acceptance: Acceptance) -> Calibration:
    """Fits on every piece that these experts can score: unseen pieces, and training pieces out of fold.

    The label is that of the piece even if a modality is missing: defects that the set cannot see lower its confidence.
    Each piece counts once, even if recordings repeat: weighting by recording changes the mix of defects, and made the
    log-loss of two real sets .001 and .010 worse.
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
