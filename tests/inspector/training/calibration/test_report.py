"""What training says about limits: chosen, alternative, interval, independent pieces; and the remedy."""

from dataclasses import replace

import numpy as np
import pytest

from inspector.training.calibration.report import calibration_report
from inspector.training.calibration.thresholds import calibrate_sets
from inspector.training.config import Acceptance, Prices
from tests.inspector.training.made_scores import simulated_scores


def report(num, acceptance, times=1, noise=0.0):
    """`times`: how often each piece repeats; `noise`: standard deviation that blurs the scores."""
    scored = simulated_scores("rare_hard", num=num)
    blur = np.random.default_rng(1).normal(0, noise, scored.logits.shape)
    scored = replace(scored, logits=scored.logits + blur).take(np.tile(np.arange(num), times))
    whole = {names for names in scored.sets if "ear" in names and len(names) > 1}
    return calibration_report(scored, calibrate_sets(scored, whole, acceptance), whole, acceptance, seed=0)


def test_limits_name_their_interval_and_the_independent_pieces_behind_them():
    lines = report(400, Acceptance(), noise=4.0).lines
    assert lines[0].startswith("FAIL above 0.9")
    assert "that these pieces alone would give: at most 2.00% of good pieces fail, at 95% confidence by" in lines[0]
    assert "too few to count (149 are enough)" in lines[0]
    assert lines[1].startswith("PASS below")
    assert "With review_share = 0.15, up to" in lines[2]


def test_few_pieces_are_warned_about_with_the_number_that_lacks():
    warnings = report(250, Acceptance(), noise=4.0).warnings
    texts = [warning.text for warning in warnings if warning.kind == "limits"]
    assert any("more good pieces that share no recording" in text for text in texts)
    assert any("more defective pieces that share no recording" in text for text in texts)


def test_many_pieces_need_no_warning():
    assert report(3000, Acceptance()).warnings == ()


def test_a_promise_that_review_share_relaxed_is_warned_about_with_the_rate_that_is_left():
    warnings = report(400, Acceptance(review_share=0.1), noise=4.0).warnings
    relaxed = [warning.text for warning in warnings if "review_share left no room" in warning.text]
    assert len(relaxed) == 2
    assert "no room for 2.0% of good pieces that fail, and the limit promises" in relaxed[1]


def test_limits_from_costs_rest_on_costs_alone():
    result = report(200, Acceptance(costs=Prices(escape=100, false_reject=10, review=1)))
    assert result.lines[0] == "PASS below 0.01 and FAIL above 0.9 follow from the costs alone."
    assert result.warnings == ()


@pytest.mark.parametrize("times", [1, 6])
def test_repeated_recordings_are_no_evidence(times):
    line = report(300, Acceptance(), times, noise=4.0).lines[0]
    assert "too few to count" in line


def test_few_pieces_that_leave_nothing_to_review_need_no_warning():
    scored = simulated_scores("rare_hard", num=60)
    apart = np.where(scored.labels, 9.0, -9.0) + np.random.default_rng(2).normal(0, 0.5, scored.logits.shape)
    scored, acceptance = replace(scored, logits=apart), Acceptance()
    result = calibration_report(scored, calibrate_sets(scored, set(), acceptance), set(scored.sets), acceptance, seed=0)
    assert "REVIEW takes 0% of these pieces." in result.lines
    assert result.warnings == ()
