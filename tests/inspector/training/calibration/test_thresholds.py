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
    pieces = eye_and_both()
    gaps = np.where(np.arange(600) < 100, np.nan, pieces.logits)
    assert calibrate(replace(pieces, logits=gaps), EYE, False, ACCEPTANCE) == calibrate(
        pieces.take(np.arange(600) >= 100), EYE, False, ACCEPTANCE
    )


@pytest.mark.parametrize(("whole", "bounded"), [(True, True), (False, False)])
def test_review_is_bounded_only_where_all_modalities_are_there(whole, bounded):
    labels = SEEN | HEARD
    pieces = scored({BOTH: np.where(labels, 2.0, -2.0) + np.random.default_rng(0).normal(0, 4.0, 600)})
    limits = calibrate(pieces, BOTH, whole, ACCEPTANCE)
    calibrated = probability(pieces.of(BOTH), limits.temperature, limits.bias)
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
    """Log-odds of a camera alone, and of camera and microphone, for pieces with visible and audible defects."""
    noise = np.random.default_rng(4).normal(0, 0.7, (2, 600))
    eye, ear = np.where(SEEN, 4.0, -4.0) + noise[0], np.where(HEARD, 4.0, -4.0) + noise[1]
    return scored({EYE: eye, BOTH: np.maximum(eye, ear)})


def test_a_set_is_calibrated_on_train_and_unseen_pieces_alike():
    pieces = eye_and_both()
    on_all = calibrate(pieces, BOTH, True, ACCEPTANCE)
    assert on_all == calibrate(replace(pieces, unseen=~pieces.unseen), BOTH, True, ACCEPTANCE)
    assert on_all != calibrate(pieces.take(pieces.unseen), BOTH, True, ACCEPTANCE)


def test_a_modality_that_lacks_moves_scores_towards_doubt():
    """A piece that looks good to one modality may be defective to the other."""
    pieces = eye_and_both()
    whole, part = calibrate(pieces, BOTH, True, ACCEPTANCE), calibrate(pieces, EYE, False, ACCEPTANCE)
    good = ~pieces.labels
    with_both = probability(pieces.of(BOTH)[good], whole.temperature, whole.bias)
    alone = probability(pieces.of(EYE)[good], part.temperature, part.bias)
    assert np.median(with_both) < 0.05 < 0.15 < np.median(alone)


def test_costs_replace_the_rates():
    prices = Acceptance(costs=Prices(escape=100, false_reject=10, review=1))
    calibration = calibrate(eye_and_both(), BOTH, True, prices)
    assert (calibration.pass_below, calibration.fail_above) == (0.01, 0.9)
