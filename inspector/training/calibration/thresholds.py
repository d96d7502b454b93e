"""Calibrates every set of experts and chooses its limits, from cross-fitted scores."""

from collections.abc import Collection

import numpy as np

from fusion.calibration import Costs, cheapest_limits, probability
from fusion.scored import ExpertSet, Scored
from inspector.bundle.schema import Calibration
from inspector.training.calibration.limits import LabelledPieces, choose_limits
from inspector.training.calibration.scales import Scale, scale_of, shared_scale
from inspector.training.config import Acceptance


def calibrate_sets(
    scored: Scored, whole: Collection[ExpertSet], acceptance: Acceptance
) -> dict[ExpertSet, Calibration]:
    """By set of experts; `whole`: the sets that cover all modalities."""
    return {names: calibrate(scored, names, names in whole, acceptance) for names in scored.sets}


def calibrate(scored: Scored, experts: ExpertSet, whole: bool, acceptance: Acceptance) -> Calibration:
    """Fits on every piece that these experts can score: unseen pieces, and training pieces out of fold.

    The label is that of the piece even if a modality is missing: defects that the set cannot see lower its confidence.
    `whole`: the set covers all modalities; only then is the share of REVIEW bounded.
    """
    scale = scale_of(scored, experts, whole, shared_scale(scored))
    bare = Calibration(
        experts=tuple(sorted(experts)), temperature=scale.temperature, bias=scale.bias, pass_below=0.0, fail_above=1.0
    )
    return bare.model_copy(update=_limits(scored, experts, whole, scale, acceptance))


def _limits(scored: Scored, experts: ExpertSet, whole: bool, scale: Scale, acceptance: Acceptance) -> dict[str, object]:
    if acceptance.costs is not None:
        return cheapest_limits(Costs(**acceptance.costs.model_dump()))._asdict()
    chosen = choose_limits(pieces_of(scored, experts, scale), acceptance, acceptance.review_share if whole else 1.0)
    pass_evidence, fail_evidence = chosen.evidence(acceptance)
    return {
        "pass_below": probability(chosen.pass_below, 1.0, 0.0),
        "fail_above": probability(chosen.fail_above, 1.0, 0.0),
        "pass_evidence": pass_evidence,
        "fail_evidence": fail_evidence,
    }


def pieces_of(scored: Scored, experts: ExpertSet, scale: Scale) -> LabelledPieces:
    """Calibrated log-odds of the pieces that these experts can score."""
    able = np.flatnonzero(~np.isnan(scored.of(experts)))
    log_odds = scale.of(scored.of(experts)[able])
    return LabelledPieces(log_odds, scored.labels[able], [scored.units[row] for row in able])
