"""Keeps the rates for the routed system, not for each set of experts alone.

A routed piece may fail twice: by its first experts, which then end it, and by all that ran; and a router chooses by the
scores which set judges a piece. All limits move apart by one distance in log-odds where that would break a rate.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from fusion.calibration import Labels, Scores, probability
from fusion.policy import Expert, initial_experts, routed
from fusion.scored import ExpertSet, Scored
from inspector.bundle.schema import Calibration, LimitEvidence, Policy
from inspector.training.calibration.bounds import upper_bound
from inspector.training.calibration.escapes import escape_bound
from inspector.training.calibration.limits import log_odds_of
from inspector.training.calibration.scales import SURE
from inspector.training.calibration.units import unit_weights

Calibrations = Mapping[ExpertSet, Calibration]
NOTHING = 1e-6
"""Log-odds that are no move."""


def limits_as_routed(
    scored: Scored, policy: Policy, experts: Sequence[Expert], calibrations: Calibrations
) -> dict[ExpertSet, Calibration]:
    """The same calibrations, with limits that keep their rates if the policy chooses the experts."""
    whole = calibrations[frozenset(scored.experts)]
    if whole.pass_evidence is None or whole.fail_evidence is None:
        return dict(calibrations)
    first, last = _first(scored, policy, experts), _last(scored, policy, experts, calibrations)
    fails = np.fmax(_above_fail(scored, first, calibrations), _above_fail(scored, last, calibrations))
    up = _distance(fails, ~scored.labels, scored, whole.fail_evidence)
    down = _down(_below_pass(scored, last, calibrations), scored, whole)
    return {names: _moved(calibration, down, up) for names, calibration in calibrations.items()}


def _first(scored: Scored, policy: Policy, experts: Sequence[Expert]) -> list[ExpertSet]:
    modality = {expert.name: expert.modality for expert in experts}
    here_PE = (~np.isnan(scored.expert_logits)).T.tolist()
    present = [
        {modality[name] for name, is_here in zip(scored.experts, row, strict=True) if is_here} for row in here_PE
    ]
    return [initial_experts(policy, experts, modalities) for modalities in present]


def _last(scored: Scored, policy: Policy, experts: Sequence[Expert], calibrations: Calibrations) -> list[ExpertSet]:
    """What runs on each piece if no early FAIL ends it."""
    patient = {names: entry.model_copy(update={"fail_above": 1.0}) for names, entry in calibrations.items()}
    return routed(policy, experts, scored, patient)


def _above_fail(scored: Scored, ran: Sequence[ExpertSet], calibrations: Calibrations) -> Scores:
    """(P,) log-odds above the FAIL limit; NaN where nothing ran."""
    limits = {names: log_odds_of(entry.fail_above) for names, entry in calibrations.items()}
    return _log_odds(scored, ran, calibrations) - _limits(ran, limits)


def _below_pass(scored: Scored, ran: Sequence[ExpertSet], calibrations: Calibrations) -> Scores:
    """(P,) log-odds below the PASS limit; NaN where nothing ran."""
    limits = {names: log_odds_of(entry.pass_below) for names, entry in calibrations.items()}
    return _limits(ran, limits) - _log_odds(scored, ran, calibrations)


def _limits(ran: Sequence[ExpertSet], limits: Mapping[ExpertSet, float]) -> Scores:
    """Limits that nothing reaches stay out of reach, and finite."""
    return np.array([limits.get(names, math.nan) for names in ran], np.float64).clip(-4 * SURE, 4 * SURE)


def _log_odds(scored: Scored, ran: Sequence[ExpertSet], calibrations: Calibrations) -> Scores:
    log_odds = np.full(len(scored.labels), np.nan)
    for names in set(ran) & calibrations.keys():
        rows, entry = np.array([other == names for other in ran]), calibrations[names]
        log_odds[rows] = scored.of(names)[rows] / entry.temperature + entry.bias
    return log_odds.clip(-SURE, SURE)


def _distance(beyond: Scores, chosen: Labels, scored: Scored, evidence: LimitEvidence) -> float:
    """By how much the limits must move, so that at most the rate of these pieces lies beyond them."""
    rows = np.flatnonzero(chosen & ~np.isnan(beyond))
    weights = unit_weights([scored.units[row] for row in rows])
    limit = upper_bound(beyond[rows], weights, evidence.rate, evidence.confidence).limit
    return limit if NOTHING < limit < math.inf else 0.0


def _down(below: Scores, scored: Scored, whole: Calibration) -> float:
    """By how much the PASS limits must move down; log-odds are those of the piece, as far from the limit of all experts
    as from that of the set which judges it."""
    if whole.pass_evidence is None or whole.pass_below <= 0:
        return 0.0
    rows, limit = np.flatnonzero(~np.isnan(below)), log_odds_of(whole.pass_below)
    units = [scored.units[row] for row in rows.tolist()]
    evidence = whole.pass_evidence
    bound = escape_bound(limit - below[rows], scored.labels[rows], units, evidence.rate, evidence.confidence)
    distance = limit + bound.limit
    return distance if NOTHING < distance < math.inf else 0.0


def _moved(calibration: Calibration, down: float, up: float) -> Calibration:
    limits = {
        "pass_below": probability(log_odds_of(calibration.pass_below) - down, 1.0, 0.0),
        "fail_above": probability(log_odds_of(calibration.fail_above) + up, 1.0, 0.0),
    }
    return calibration.model_copy(update={name: value for name, value in limits.items() if down or up})
