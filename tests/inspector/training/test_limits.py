"""Calibrations, limits and the routing policy from scores."""

import numpy as np
import pytest

from fusion.calibration import probability
from fusion.scored import Scored
from inspector.training.config import Acceptance, Prices
from inspector.training.limits import SetScores, calibrate, calibrate_scores, choose_policy

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


def scored(logits_of_sets):
    num = 600
    return Scored(
        piece_ids=tuple(map(str, range(num))),
        labels=SEEN | HEARD,
        units=(frozenset(),) * num,
        experts=("ear", "eye"),
        expert_logits=np.zeros((2, num)),
        sets=tuple(logits_of_sets),
        logits=np.stack(list(logits_of_sets.values())),
        cpu_s=np.zeros((2, num)),
        unseen=np.arange(num) >= 400,
    )


SEEN, HEARD = np.random.default_rng(3).random((2, 600)) < 0.25
BOTH, EYE = frozenset({"ear", "eye"}), frozenset({"eye"})


def eye_and_both():
    """What a camera alone says of pieces that may also be heard to be defective, and what both say."""
    noise = np.random.default_rng(4).normal(0, 0.7, (2, 600))
    eye, ear = np.where(SEEN, 4.0, -4.0) + noise[0], np.where(HEARD, 4.0, -4.0) + noise[1]
    return scored({EYE: eye, BOTH: np.maximum(eye, ear)})


def test_a_set_is_calibrated_on_train_and_unseen_pieces_alike():
    found = eye_and_both()
    by_set = calibrate(found, BOTH, True, ACCEPTANCE)
    assert by_set == calibrate_scores(SetScores(("ear", "eye"), True, found.of(BOTH), found.labels), ACCEPTANCE)
    assert by_set != calibrate(found.take(found.unseen), BOTH, True, ACCEPTANCE)


def test_a_modality_that_lacks_moves_scores_towards_doubt():
    """A piece that looks good to one modality may be defective to the other."""
    found = eye_and_both()
    whole, part = calibrate(found, BOTH, True, ACCEPTANCE), calibrate(found, EYE, False, ACCEPTANCE)
    good = ~found.labels
    with_both = probability(found.of(BOTH)[good], whole.temperature, whole.bias)
    alone = probability(found.of(EYE)[good], part.temperature, part.bias)
    assert np.median(with_both) < 0.05 < 0.15 < np.median(alone)


def test_costs_replace_the_rates():
    prices = Acceptance(costs=Prices(escape=100, false_reject=10, review=1))
    found = calibrate(eye_and_both(), BOTH, True, prices)
    assert (found.pass_below, found.fail_above) == (0.01, 0.9)
