"""Limits of PASS and FAIL from few and from many independent pieces."""

import math

import numpy as np
import pytest

from fusion.calibration import probability
from inspector.training.calibration.limits import LabelledPieces, choose_limits, limits_at, log_odds_of
from inspector.training.config import Acceptance

ASKED = Acceptance(miss_rate=0.02, false_reject_rate=0.02)


def pieces(num, separation=2.0, repeats=1, seed=0):
    """Half of the pieces are defective; `repeats` pieces rest on the same recording."""
    random = np.random.default_rng(seed)
    recordings = np.arange(num) // repeats
    labels = recordings % 2 == 0
    log_odds = np.where(labels, separation, -separation) + random.normal(0, 1.5, num)[recordings]
    return LabelledPieces(log_odds, labels, [{f"picture={recording}"} for recording in recordings])


@pytest.mark.parametrize("separation", [0.5, 1.0, 2.0, 6.0])
def test_both_rates_are_kept_where_review_may_take_the_rest(separation):
    line, line_to_come = pieces(4000, separation), pieces(4000, separation, seed=1)
    limits = limits_at(line, 0.02, 0.03, 0.95)
    for part in (line, line_to_come):
        assert np.mean(part.log_odds[part.labels] < limits.pass_below) <= 0.02
        assert np.mean(part.log_odds[~part.labels] > limits.fail_above) <= 0.03
    assert limits.pass_below <= limits.fail_above


def test_where_both_rates_can_be_kept_nothing_is_reviewed():
    line = pieces(400, separation=9.0)
    limits = choose_limits(line, ASKED, 1.0)
    assert limits.pass_below == limits.fail_above
    assert limits.review_share(line.log_odds) == 0


def test_the_limits_themselves_are_reviewed():
    line = pieces(400, separation=0.5)
    limits = choose_limits(line, ASKED, 1.0)
    ends = np.array([limits.pass_below, limits.fail_above, math.nextafter(limits.fail_above, 99)])
    assert limits.review_share(ends) == pytest.approx(2 / 3)


def test_fewer_recordings_behind_as_many_pieces_widen_review_on_both_sides():
    many, few = (choose_limits(pieces(1200, repeats=repeats), ASKED, 1.0) for repeats in (1, 40))
    assert few.pass_below < many.pass_below
    assert few.fail_above > many.fail_above
    assert (many.misses.method, few.misses.method) == ("count", "tail")
    assert (many.false_rejects.method, few.false_rejects.method) == ("count", "tail")


def test_a_bound_on_review_relaxes_both_rates_by_one_factor_and_says_so():
    line = pieces(2000, separation=0.5)
    strict, bounded = (choose_limits(line, ASKED, share) for share in (1.0, 0.2))
    assert strict.review_share(line.log_odds) > 0.2 >= bounded.review_share(line.log_odds)
    pass_evidence, fail_evidence = bounded.evidence(ASKED)
    assert pass_evidence.rate == fail_evidence.rate > pass_evidence.target_rate == fail_evidence.target_rate == 0.02
    kept = [evidence.rate for evidence in strict.evidence(ASKED)]
    assert kept == [0.02, 0.02]


def test_a_bound_on_review_ends_relaxing_at_one_half():
    limits = choose_limits(pieces(60, separation=0.0, repeats=2), ASKED, 0.0)
    assert max(limits.misses.rate, limits.false_rejects.rate) == 0.5


def test_the_evidence_holds_the_interval_of_each_limit():
    limits = choose_limits(pieces(200), ASKED, 1.0)
    pass_evidence, fail_evidence = limits.evidence(ASKED)
    assert probability(limits.pass_below, 1.0, 0.0) <= pass_evidence.observed_limit
    assert fail_evidence.observed_limit <= probability(limits.fail_above, 1.0, 0.0)
    assert (pass_evidence.num_pieces, fail_evidence.num_pieces) == (100, 100)


@pytest.mark.parametrize(("limit", "log_odds"), [(0.0, -math.inf), (0.5, 0.0), (1.0, math.inf)])
def test_log_odds_of_a_limit(limit, log_odds):
    assert log_odds_of(limit) == log_odds
