"""Figures of bootstrap draws, against those of pieces that are really repeated."""

import numpy as np
import pytest

from inspector.statistics.classification import area_under_curve
from inspector.training.routing.figures import Routed, figures
from inspector.training.routing.frontier import quality

pytestmark = pytest.mark.train


@pytest.mark.parametrize("decimals", [1, 6], ids=["many ties", "no ties"])
def test_weights_count_as_repeated_pieces(decimals):
    random = np.random.default_rng(0)
    labels = random.random(120) < 0.4
    scores = (random.random(120) * 0.6 + labels * 0.3).round(decimals)
    right = random.random(120) < 0.9
    weights_DP = random.poisson(1.0, (20, 120))
    for weights, row in zip(weights_DP, figures(Routed(scores, right), labels, weights_DP.astype(float)), strict=True):
        drawn = np.repeat(np.arange(120), weights)
        expected = [
            quality(scores[drawn], labels[drawn]),
            area_under_curve(scores[drawn], labels[drawn]),
            np.mean((scores[drawn] >= 0.5) == labels[drawn]),
            right[drawn].mean(),
        ]
        np.testing.assert_allclose(row, expected)


def test_a_piece_without_a_score_is_missed():
    labels, ones = np.array([False, False, True, True]), np.ones((1, 4))
    scores = np.array([0.1, 0.2, 0.9, np.nan])
    recall, auc, accuracy, _ = figures(Routed(scores, np.ones(4, bool)), labels, ones)[0]
    assert (recall, auc, accuracy) == (0.5, 0.5, 0.75)


def test_a_draw_without_defects_has_no_figures():
    labels = np.array([False, True])
    assert np.isnan(figures(Routed(np.array([0.1, 0.9]), np.ones(2, bool)), labels, np.array([[1.0, 0.0]]))).all()
