"""The rates hold for what the router lets through, not only for each set of experts."""

import math

import numpy as np
import pytest

from fusion.calibration import probability
from fusion.scored import Scored
from inspector.bundle.schema import Policy
from inspector.training.calibration.as_routed import limits_as_routed
from inspector.training.calibration.thresholds import calibrate_sets
from inspector.training.config import Acceptance, Prices
from tests.inspector.training.made_scores import EXPERTS, simulated_scores

CASCADE = Policy(mode="cascade", low=0.0, high=1.0)
"""Everything runs, unless the scouts fail the piece."""


def calibrations(scored: Scored, acceptance: Acceptance | None = None):
    requested = acceptance or Acceptance(false_reject_rate=0.05)
    return calibrate_sets(scored, {names for names in scored.sets if len(names) == 3}, requested)


def failed(scored, sets, limits):
    """(P,) whether any of these sets fails the piece."""
    scores = [probability(scored.of(names), limits[names].temperature, limits[names].bias) for names in sets]
    return np.any([score > limits[names].fail_above for score, names in zip(scores, sets, strict=True)], axis=0)


def two_looks(seed):
    """The scouts and the whole set err on different good pieces."""
    scored = simulated_scores("rare_hard", seed, num=3000)
    noise = np.random.default_rng(seed).normal(0, 3, scored.logits.shape)
    return Scored(**{**vars(scored), "logits": noise + np.where(scored.labels, 2.0, -2.0)})


def test_two_chances_to_fail_break_the_rate_and_moved_limits_keep_it():
    scored, scouts, whole = two_looks(0), frozenset({"thumb", "ear"}), frozenset({"thumb", "full", "ear"})
    before = calibrations(scored)
    after = limits_as_routed(scored, CASCADE, EXPERTS, before)
    good = ~scored.labels
    assert failed(scored, [scouts, whole], before)[good].mean() > 0.05
    assert failed(scored, [scouts, whole], after)[good].mean() <= 0.05
    moves = [math.log(limits[whole].fail_above / (1 - limits[whole].fail_above)) for limits in (before, after)]
    assert moves[1] > moves[0]


@pytest.mark.parametrize("policy", [Policy(mode="dense"), Policy(mode="static", static_experts=("ear", "full"))])
def test_one_set_for_every_piece_needs_no_move(policy):
    scored = simulated_scores("rare_hard")
    before = calibrations(scored)
    after = limits_as_routed(scored, policy, EXPERTS, before)
    assert after == before


def test_limits_from_costs_do_not_move():
    scored = simulated_scores("rare_hard")
    before = calibrations(scored, Acceptance(costs=Prices(escape=100, false_reject=10, review=1)))
    assert limits_as_routed(scored, CASCADE, EXPERTS, before) == before
