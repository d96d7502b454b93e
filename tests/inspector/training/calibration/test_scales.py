"""Scales of expert sets: drawn to (1, 0) and to each other in proportion to the independent pieces behind them."""

from dataclasses import replace

import numpy as np
import pytest

from fusion.calibration import fit, probability
from fusion.scored import Scored
from inspector.training.calibration.pooled import check, pooled_lines
from inspector.training.calibration.scales import (
    IDENTITY,
    LEAST_SLOPE,
    Prior,
    Scale,
    fit_scale,
    scale_of,
    shared_scale,
)
from tests.inspector.training.made_scores import simulated_scores

ALL, TWO, CAMERA = frozenset({"thumb", "full", "ear"}), frozenset({"full", "ear"}), frozenset({"thumb", "full"})


def repeated(scored: Scored, times: int) -> Scored:
    """The same pieces `times` over: more pieces, no more recordings."""
    return scored.take(np.tile(np.arange(len(scored.labels)), times))


def loss(log_odds, labels):
    return np.mean(np.logaddexp(0, log_odds) - labels * log_odds)


def test_with_much_evidence_the_scale_is_that_of_the_pieces():
    scored = simulated_scores("rare_hard", num=20_000)
    scored = replace(scored, units=tuple(frozenset({f"{number}"}) for number in range(20_000)))
    plain, shrunk = fit(scored.of(ALL), scored.labels), shared_scale(scored)
    assert shrunk.temperature == pytest.approx(plain.temperature, rel=0.05)
    assert shrunk.bias == pytest.approx(plain.bias, abs=0.05)


def test_without_evidence_the_log_odds_stay_as_they_are():
    scored = simulated_scores("rare_hard", num=60)
    one_recording = replace(scored, units=(frozenset({"one"}),) * 60)
    scale = shared_scale(one_recording)
    assert (scale.slope, scale.bias) == pytest.approx((1.0, 0.0), abs=0.2)
    assert scale.slope_error == pytest.approx(IDENTITY.slope_error, rel=0.2)


def test_pieces_that_repeat_recordings_move_the_scale_no_further():
    scored = simulated_scores("rare_hard", num=200)
    once, often = shared_scale(scored), shared_scale(repeated(scored, 5))
    assert (often.slope, often.bias) == pytest.approx((once.slope, once.bias), abs=0.02)


@pytest.mark.parametrize("names", [TWO, CAMERA, frozenset({"ear"})])
def test_a_set_that_says_what_all_experts_say_gets_their_scale(names):
    scored = simulated_scores("rare_hard", num=200)
    alike = replace(scored, logits=np.broadcast_to(scored.of(ALL), scored.logits.shape))
    shared = shared_scale(alike)
    scale = scale_of(alike, names, names == TWO, shared)
    assert (scale.slope, scale.bias) == pytest.approx((shared.slope, shared.bias), abs=0.01)


def test_a_set_that_cannot_see_a_modality_is_less_sure_that_a_piece_is_good():
    scored = simulated_scores("rare_hard", num=2000)
    shared = shared_scale(scored)
    camera = scale_of(scored, CAMERA, False, shared)
    good = ~scored.labels
    whole, part = (
        np.median(probability(scale.of(scored.of(names)[good]), 1.0, 0.0))
        for scale, names in ((shared, ALL), (camera, CAMERA))
    )
    assert whole < 0.05 < part


def test_few_pieces_give_better_probabilities_than_a_fit_of_each_set_alone():
    plain, shrunk = [], []
    to_come = simulated_scores("rare_hard", seed=99, num=2000)
    for seed in range(10):
        line = simulated_scores("rare_hard", seed, num=40)
        shared = shared_scale(line)
        for names in line.sets:
            alone, scale = fit(line.of(names), line.labels), scale_of(line, names, "ear" in names, shared)
            fitted = Scale(1 / alone.temperature, alone.bias, 0.0, 0.0)
            plain.append(loss(fitted.of(to_come.of(names)), to_come.labels))
            shrunk.append(loss(scale.of(to_come.of(names)), to_come.labels))
    assert np.mean(shrunk) < np.mean(plain)


def test_the_order_of_the_log_odds_is_kept():
    labels = np.arange(400) % 2 == 0
    wrong_way = np.where(labels, -2.0, 2.0) + np.random.default_rng(0).normal(0, 0.1, 400)
    scale = fit_scale(wrong_way, labels.astype(float), np.ones(400), Prior(1.0, 0.0, 0.35, 0.5))
    assert scale.slope == pytest.approx(LEAST_SLOPE)


def test_sets_of_experts_are_on_one_scale_where_they_see_the_same_recordings():
    scored = simulated_scores("rare_hard", num=900)
    whole = {names for names in scored.sets if "ear" in names and len(names) > 1}
    result = check(scored, whole, seed=0)
    assert result is not None
    assert result.mixed == pytest.approx(result.alone, abs=0.01)
    assert 0.7 < result.slopes[0] <= result.slopes[-1] < 1.5


def test_the_lines_name_the_choice_its_alternative_its_gain_and_the_groups():
    scored = simulated_scores("rare_hard", num=300)
    choice, pooled = pooled_lines(scored, {ALL, TWO}, seed=0)
    assert "Scale of the scores: temperature" in choice
    assert "rather than the log-odds as they are" in choice
    assert "independent defective and" in choice
    assert "2 sets of experts" in pooled


def test_too_few_pieces_to_hold_out_give_no_check():
    scored = simulated_scores("rare_hard", num=30)
    assert check(scored, {ALL}, seed=0) is None
    assert len(list(pooled_lines(scored, {ALL}, seed=0))) == 1


def test_pieces_that_cannot_be_held_out_or_scored_are_left_out_of_the_gain():
    scored = simulated_scores("rare_hard", num=300)
    gaps = np.where(np.arange(300) % 7 == 0, np.nan, scored.logits)
    choice, slope = pooled_lines(replace(scored, logits=gaps), {ALL}, seed=0)
    assert "the fitted scale gains" in choice
    assert slope.startswith("Slope of calibration, cross-fitted: ")
