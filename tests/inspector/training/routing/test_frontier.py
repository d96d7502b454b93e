"""Points of computing against quality, against their definitions."""

import numpy as np
import pytest

from inspector.training.routing.frontier import Board, Point, cheapest_good, limit, quality, recall, static_points
from tests.inspector.training.made_scores import COSTS_MS, limits, simulated_scores

pytestmark = pytest.mark.train
SCORES = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.35, 0.9, np.nan])
LABELS = np.array([False] * 4 + [True] * 4)


@pytest.mark.parametrize(("rate", "expected"), [(0.0, 0.4), (0.24, 0.4), (0.25, 0.3), (0.5, 0.2)])
def test_the_limit_lets_no_more_than_the_rate_above(rate, expected):
    assert limit(SCORES, LABELS, rate) == expected


@pytest.mark.parametrize(("above", "expected"), [(0.4, 0.5), (0.3, 0.75), (0.95, 0.0), (-1.0, 0.75)])
def test_recall_counts_what_has_no_score_as_missed(above, expected):
    assert recall(SCORES, LABELS, above) == expected


def test_quality_of_a_perfect_score_is_one():
    assert quality(np.linspace(0, 1, 100), np.arange(100) >= 60) == 1.0


def test_static_points_are_all_sets_the_cheapest_first():
    scored = simulated_scores("rare_hard", num=300)
    points = static_points(Board.of(scored, limits(scored)))
    assert next(iter(points)) == {"thumb"}
    assert set(points) == set(scored.sets)
    costs = [point.cost_ms for point in points.values()]
    assert costs == sorted(costs)
    assert costs[-1] == pytest.approx(sum(COSTS_MS))


def test_a_set_without_calibration_is_no_point():
    scored = simulated_scores("same", num=100)
    known = limits(scored)
    del known[frozenset({"full"})]
    assert frozenset({"full"}) not in static_points(Board.of(scored, known))


def test_what_a_piece_lacks_costs_nothing_and_is_not_scored_with():
    scored = simulated_scores("same", num=100)
    board = Board.of(scored, limits(scored))
    ran = [frozenset({"thumb"}), frozenset(), frozenset({"thumb", "ear"})] + [frozenset({"full"})] * 97
    assert board.cost_ms(ran)[:3] == pytest.approx([0.3, 0.0, 0.7])
    assert np.isnan(board.scores(ran)[1])
    row = scored.sets.index(frozenset({"thumb"}))
    assert board.scores(ran)[0] == board.probabilities[row, 0]


def test_the_cheapest_within_the_margin_is_to_be_beaten():
    names = [frozenset({name}) for name in "abc"]
    points = dict(zip(names, [Point("a", 1, 0.80, 0), Point("b", 2, 0.896, 0), Point("c", 3, 0.9, 0)], strict=True))
    assert cheapest_good(points) == names[1]
