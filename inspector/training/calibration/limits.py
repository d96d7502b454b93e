"""Chooses the limits of PASS and FAIL on calibrated log-odds, so that both rates are kept at a confidence.

REVIEW is wider where independent pieces are few, never narrower.
"""

import math
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from fusion.calibration import Labels, Scores, probability
from inspector.bundle.schema import LimitEvidence
from inspector.training.calibration.bounds import Bound, upper_bound
from inspector.training.calibration.escapes import escape_bound
from inspector.training.calibration.units import unit_weights
from inspector.training.config import Acceptance

RELAXING = 1.25
"""Factor between two trials of relaxed rates."""
MOST = 0.5
"""No rate is relaxed to more: half of the pieces on the wrong side is no promise."""


class LabelledPieces(NamedTuple):
    """Calibrated log-odds of labelled pieces."""

    log_odds: Scores
    labels: Labels
    units: Sequence[Collection[str]]


class ChosenLimits(NamedTuple):
    """Two limits in log-odds; REVIEW lies between them, both included."""

    pass_below: float
    fail_above: float
    misses: Bound
    """Of the defective pieces, with log-odds negated."""
    false_rejects: Bound
    """Of the good pieces."""

    def review_share(self, log_odds: Scores) -> float:
        return float(np.mean((log_odds >= self.pass_below) & (log_odds <= self.fail_above)))

    def evidence(self, acceptance: Acceptance) -> tuple[LimitEvidence, LimitEvidence]:
        """Of the PASS limit, and of the FAIL limit."""
        return (
            _evidence(self.misses, acceptance.miss_rate, acceptance.confidence, -1),
            _evidence(self.false_rejects, acceptance.false_reject_rate, acceptance.confidence, 1),
        )


def choose_limits(pieces: LabelledPieces, acceptance: Acceptance, review_share: float) -> ChosenLimits:
    """Keeps both rates; relaxes both by one factor if REVIEW would take more than this share of the pieces."""
    miss_rate, false_reject_rate = acceptance.miss_rate, acceptance.false_reject_rate
    while True:
        limits = limits_at(pieces, miss_rate, false_reject_rate, acceptance.confidence)
        largest = max(miss_rate, false_reject_rate)
        if limits.review_share(pieces.log_odds) <= review_share or largest >= MOST or not largest:
            return limits
        factor = min(RELAXING, MOST / largest)
        miss_rate, false_reject_rate = miss_rate * factor, false_reject_rate * factor


def limits_at(pieces: LabelledPieces, miss_rate: float, false_reject_rate: float, confidence: float) -> ChosenLimits:
    """The widest PASS and FAIL zones that keep these rates; one limit half-way where the zones meet."""
    misses = escape_bound(*pieces, miss_rate, confidence)
    good = ~pieces.labels
    units = [pieces.units[row] for row in np.flatnonzero(good).tolist()]
    false_rejects = upper_bound(pieces.log_odds[good], unit_weights(units), false_reject_rate, confidence)
    pass_below, fail_above = -misses.limit, false_rejects.limit
    if pass_below > fail_above:
        pass_below = fail_above = (pass_below + fail_above) / 2
    return ChosenLimits(pass_below, fail_above, misses, false_rejects)


def _evidence(bound: Bound, target_rate: float, confidence: float, sign: int) -> LimitEvidence:
    return LimitEvidence(
        rate=bound.rate,
        target_rate=target_rate,
        confidence=confidence,
        num_pieces=bound.num,
        beyond=min(bound.beyond, 1.0),
        observed_limit=probability(sign * bound.observed, 1.0, 0.0),
        method=bound.method,
    )


def log_odds_of(limit: float) -> float:
    """Of a limit in 0..1; infinite at its ends."""
    if limit <= 0:
        return -math.inf
    return math.inf if limit >= 1 else math.log(limit) - math.log1p(-limit)
