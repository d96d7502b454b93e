"""Chooses calibrations, limits and the routing policy from cross-fitted scores. Knows no network."""

from dataclasses import dataclass

import numpy as np

from fusion.calibration import Labels, Scores, choose_limits, fit, probability
from inspector.bundle.schema import Calibration, Policy
from inspector.training.config import Acceptance


@dataclass(frozen=True, eq=False)
class SetScores:
    """Log-odds of the pieces for one set of experts; NaN where it could not run, and labels of all pieces."""

    experts: tuple[str, ...]
    whole: bool
    logits: Scores
    labels: Labels


def calibrate(scores: SetScores, acceptance: Acceptance) -> Calibration:
    """Labels are the piece's also where a modality is missing: what the set cannot see is then part of its doubt."""
    able = ~np.isnan(scores.logits)
    logits, labels = scores.logits[able], scores.labels[able]
    found = fit(logits, labels)
    risk = acceptance.risk(acceptance.review_share if scores.whole else 1.0)
    limits = choose_limits(probability(logits, found.temperature, found.bias), labels, risk)
    return Calibration(
        experts=scores.experts,
        temperature=found.temperature,
        bias=found.bias,
        pass_below=limits.pass_below,
        fail_above=limits.fail_above,
    )


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
