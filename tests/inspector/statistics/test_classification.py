"""Figures against their definitions."""

import numpy as np
import pytest

from inspector.statistics.classification import area_under_curve, certainty, figures, miss_rate

SCORES = np.array([0.1, 0.4, 0.4, 0.6, 0.9, 0.3])
LABELS = np.array([False, False, True, True, True, False])


def test_area_is_the_share_of_pairs_in_order_ties_half():
    good, bad = SCORES[~LABELS], SCORES[LABELS]
    pairs = [(b > g) + 0.5 * (b == g) for b in bad for g in good]
    assert area_under_curve(SCORES, LABELS) == pytest.approx(np.mean(pairs))


@pytest.mark.parametrize(("rate", "expected"), [(0.0, 1 / 3), (0.33, 1 / 3), (0.34, 0.0)])
def test_misses_are_counted_at_the_limit_that_keeps_the_rate(rate, expected):
    assert miss_rate(SCORES, LABELS, rate) == pytest.approx(expected)


def test_accuracy_is_taken_at_one_half():
    assert figures(SCORES, LABELS, 0.0).accuracy == pytest.approx(5 / 6)


def test_intervals_are_those_of_the_draws_one_by_one():
    rng = np.random.default_rng(0)
    labels = np.arange(30) % 2 == 0
    scores = (rng.integers(0, 8, 30) + 3 * labels) / 11
    weights = rng.poisson(1.0, (50, 30))
    drawn = [np.repeat(np.arange(30), counts) for counts in weights]
    accuracies = [np.mean((scores[rows] >= 0.5) == labels[rows]) for rows in drawn]
    areas = [area_under_curve(scores[rows], labels[rows]) for rows in drawn]
    result = certainty(scores, labels, weights)
    assert result.auc == pytest.approx((area_under_curve(scores, labels), *np.quantile(areas, [0.025, 0.975])))
    assert result.accuracy == pytest.approx(
        (np.mean((scores >= 0.5) == labels), *np.quantile(accuracies, [0.025, 0.975]))
    )


def test_draws_of_one_kind_alone_have_no_area_and_are_left_out():
    result = certainty(np.array([0.1, 0.9]), np.array([False, True]), np.array([[1, 1], [2, 0], [0, 1], [3, 2]]))
    assert result.auc == (1.0, 1.0, 1.0)
