"""Calibrations, limits and the routing policy from scores."""

import numpy as np
import pytest

from fusion.calibration import probability
from inspector.training.config import Acceptance
from inspector.training.limits import SetScores, calibrate_scores, choose_policy

ACCEPTANCE = Acceptance(miss_rate=0.02, false_reject_rate=0.02, review_share=0.2, routing_risk=0.01)


def scores(noise, seed=0, whole=True, name="a"):
    labels = np.arange(600) % 2 == 0
    logits = np.where(labels, 2.0, -2.0) + np.random.default_rng(seed).normal(0, noise, 600)
    return SetScores((name,), whole, logits, labels)


def test_pieces_that_a_set_cannot_see_do_not_count():
    seen = scores(1.0)
    gaps = np.where(np.arange(600) < 100, np.nan, seen.logits)
    part = SetScores(("a",), True, seen.logits[100:], seen.labels[100:])
    assert calibrate_scores(SetScores(("a",), True, gaps, seen.labels), ACCEPTANCE) == calibrate_scores(
        part, ACCEPTANCE
    )


@pytest.mark.parametrize(("whole", "bounded"), [(True, True), (False, False)])
def test_review_is_bounded_only_where_all_modalities_are_there(whole, bounded):
    found = scores(4.0, whole=whole)
    limits = calibrate_scores(found, ACCEPTANCE)
    calibrated = probability(found.logits, limits.temperature, limits.bias)
    review = np.mean((calibrated >= limits.pass_below) & (calibrated <= limits.fail_above))
    assert bool(review <= 0.2) is bounded


@pytest.mark.parametrize("noise", [0.5, 1.5, 3.0])
def test_routed_decisions_differ_from_dense_ones_within_the_risk(noise):
    quick, full = scores(noise, 1, name="scout"), scores(0.8, 2, name="full")
    limits = calibrate_scores(quick, ACCEPTANCE), calibrate_scores(full, ACCEPTANCE)
    policy = choose_policy((quick.logits, limits[0]), (full.logits, limits[1]), ACCEPTANCE)
    early = probability(quick.logits, limits[0].temperature, limits[0].bias)
    late = probability(full.logits, limits[1].temperature, limits[1].bias)
    assert np.mean((early < policy.low) & (late >= limits[1].pass_below)) <= 0.01
    assert np.mean((early > policy.high) & (late <= limits[1].fail_above)) <= 0.01
    assert policy.low <= limits[0].pass_below
    assert policy.high >= limits[0].fail_above
