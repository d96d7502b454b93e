"""Calibrations and limits from scores."""

from dataclasses import replace

import numpy as np
import pytest

from fusion.calibration import probability
from fusion.scored import Scored
from inspector.training.calibration.thresholds import calibrate
from inspector.training.config import Acceptance, Prices

ACCEPTANCE = Acceptance(miss_rate=0.02, false_reject_rate=0.02, review_share=0.2, routing_risk=0.01)


def test_pieces_that_a_set_cannot_see_do_not_count():
    calibration_data = eye_and_both()
    gaps = np.where(np.arange(600) < 100, np.nan, calibration_data.logits)
    assert calibrate(replace(calibration_data, logits=gaps), EYE, False, ACCEPTANCE) == calibrate(
        calibration_data.take(np.arange(600) >= 100), EYE, False, ACCEPTANCE
    )


@pytest.mark.parametrize(("whole", "bounded"), [(True, True), (False, False)])
def test_review_is_bounded_only_where_all_modalities_are_there(whole, bounded):
    labels = SEEN | HEARD
    calibration_data = scored({BOTH: np.where(labels, 2.0, -2.0) + np.random.default_rng(0).normal(0, 4.0, 600)})
    limits = calibrate(calibration_data, BOTH, whole, ACCEPTANCE)
    calibrated = probability(calibration_data.of(BOTH), limits.temperature, limits.bias)
    review = np.mean((calibrated >= limits.pass_below) & (calibrated <= limits.fail_above))
    assert bool(review <= 0.2) is bounded


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
    calibration_data = eye_and_both()
    on_all = calibrate(calibration_data, BOTH, True, ACCEPTANCE)
    assert on_all == calibrate(replace(calibration_data, unseen=~calibration_data.unseen), BOTH, True, ACCEPTANCE)
    assert on_all != calibrate(calibration_data.take(calibration_data.unseen), BOTH, True, ACCEPTANCE)


def test_a_modality_that_lacks_moves_scores_towards_doubt():
    """A piece that looks good to one modality may be defective to the other."""
    calibration_data = eye_and_both()
    whole, part = (
        calibrate(calibration_data, BOTH, True, ACCEPTANCE),
        calibrate(calibration_data, EYE, False, ACCEPTANCE),
    )
    good = ~calibration_data.labels
    with_both = probability(calibration_data.of(BOTH)[good], whole.temperature, whole.bias)
    alone = probability(calibration_data.of(EYE)[good], part.temperature, part.bias)
    assert np.median(with_both) < 0.05 < 0.15 < np.median(alone)


def test_costs_replace_the_rates():
    prices = Acceptance(costs=Prices(escape=100, false_reject=10, review=1))
    calibration_data = calibrate(eye_and_both(), BOTH, True, prices)
    assert (calibration_data.pass_below, calibration_data.fail_above) == (0.01, 0.9)
