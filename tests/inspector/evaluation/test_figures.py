"""Figures against their definitions."""

import numpy as np
import pytest

from inspector.evaluation.figures import area_under_curve, figures, miss_rate

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
