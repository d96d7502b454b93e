"""Chooses calibrations, limits and the routing policy from cross-fitted scores. Knows no network."""

from dataclasses import dataclass

import numpy as np

from fusion.calibration import Costs, Labels, Limits, Scores, cheapest_limits, choose_limits, fit, probability
from fusion.scored import ExpertSet, Scored
from inspector.bundle.schema import Calibration, Policy
from inspector.training.config import Acceptance


@dataclass(frozen=True, eq=False)
class SetScores:
    """Log-odds of the pieces for one set of experts; NaN where it could not run, and labels of all pieces."""

    experts: tuple[str, ...]
    whole: bool
    logits: Scores
    labels: Labels


def calibrate(scored: Scored, experts: ExpertSet, whole: bool, acceptance: Acceptance) -> Calibration:
    """Fits on every piece that these experts could see: train out of fold, and unseen.

    Labels are the piece's also where a modality is missing: what the set cannot see is then part of its doubt. Pieces
    count once each, however often a recording recurs: one vote per recording changes the mix of defects, and by halves
    of the groups it made the log-loss of two real sets .001 and .010 worse.
    """
    return _calibration(SetScores(tuple(sorted(experts)), whole, scored.of(experts), scored.labels), acceptance)


def calibrate_scores(scores: SetScores, acceptance: Acceptance) -> Calibration:
    """The same for scores of one set alone."""
    return _calibration(scores, acceptance)


def _calibration(scores: SetScores, acceptance: Acceptance) -> Calibration:
    able = ~np.isnan(scores.logits)
    logits, labels = scores.logits[able], scores.labels[able]
    found = fit(logits, labels)
    limits = _limits(probability(logits, found.temperature, found.bias), labels, scores.whole, acceptance)
    return Calibration(
        experts=scores.experts,
        temperature=found.temperature,
        bias=found.bias,
        pass_below=limits.pass_below,
        fail_above=limits.fail_above,
    )


def _limits(scores: Scores, labels: Labels, whole: bool, acceptance: Acceptance) -> Limits:
    if acceptance.costs is not None:
        return cheapest_limits(Costs(**acceptance.costs.model_dump()))
    return choose_limits(scores, labels, acceptance.risk(acceptance.review_share if whole else 1.0))


def choose_policy(
    scouts: tuple[Scores, Calibration], dense: tuple[Scores, Calibration], acceptance: Acceptance
) -> Policy:
    """The narrowest [low, high] outside of which the scouts decide as all experts would, but for the risk.

    It holds the scouts' own REVIEW, so that nobody looks at a piece before all experts did.
    """
    quick, full = _calibrated(*scouts), _calibrated(*dense)
    slips = int(acceptance.routing_risk * len(quick))
    not_passed = np.sort(quick[full >= dense[1].pass_below])
    not_failed = np.sort(quick[full <= dense[1].fail_above])[::-1]
    low = float(not_passed[slips]) if slips < len(not_passed) else 1.0
    high = float(not_failed[slips]) if slips < len(not_failed) else 0.0
    return Policy(mode="cascade", low=min(low, scouts[1].pass_below), high=max(high, scouts[1].fail_above))


def _calibrated(logits: Scores, calibration: Calibration) -> Scores:
    return probability(logits, calibration.temperature, calibration.bias)
