"""Geometry of the plots: bars, limits, curves and working points."""

import numpy as np
import pytest

from inspector.recipe.decision import Limits
from inspector.report.content import ScoreCurve
from inspector.report.histogram import HALF, LEFT, NUM_BINS, TOP, WIDTH, histogram
from inspector.report.roc import MAX_POINTS, roc, thinned
from inspector.report.scale import score_place
from inspector.statistics.bootstrap import Interval
from inspector.statistics.classification import area_under_curve, roc_curve

LIMITS = Limits(0.1, 0.9)
NOWHERE = Interval(np.nan, np.nan, np.nan)


def test_good_pieces_stand_above_the_axis_and_defective_ones_below() -> None:
    scores = np.array([0.01, 0.01, 0.02, 0.5, 0.99, np.nan])
    plot = histogram(scores, np.array([False, False, False, False, True, True]), LIMITS)
    assert [bar.words for bar in plot.good] == ["2 good", "1 good", "1 good"]
    assert [bar.words for bar in plot.defective] == ["1 defective"]
    assert all(bar.y + bar.height == pytest.approx(TOP + HALF, abs=0.2) for bar in plot.good)
    assert all(bar.y > TOP + HALF for bar in plot.defective)
    assert plot.good[0].height == HALF
    assert plot.without_score == 1


def test_the_words_of_a_histogram_count_by_the_limits() -> None:
    scores = np.array([0.05, 0.1, 0.9, 0.95])
    plot = histogram(scores, np.array([False, False, True, True]), LIMITS)
    assert plot.summary == (
        "Good pieces: 1 below the PASS limit, 1 between the limits, 0 above the FAIL limit. "
        "Defective pieces: 0 below the PASS limit, 1 between the limits, 1 above the FAIL limit."
    )


@pytest.mark.parametrize(("score", "place"), [(0.0, 0), (0.001, 0), (0.5, 0.5), (0.999, 1), (1.0, 1)])
def test_scores_lie_on_log_odds_within_the_axis(score: float, place: float) -> None:
    assert score_place(score) == pytest.approx(place)
    plot = histogram(np.array([score]), np.array([True]), LIMITS)
    assert LEFT <= plot.defective[0].x <= LEFT + WIDTH - WIDTH / NUM_BINS + 1


def test_the_trapezoids_of_a_curve_are_its_area() -> None:
    random = np.random.default_rng(0)
    labels = random.random(300) < 0.3
    scores = np.round(random.normal(0, 1, 300) + labels, 1)
    curve = roc_curve(scores, labels)
    assert np.trapezoid(curve.defective, curve.good) == pytest.approx(area_under_curve(scores, labels))
    assert (curve.good[0], curve.defective[0], curve.good[-1], curve.defective[-1]) == (0, 0, 1, 1)


def test_a_thinned_curve_keeps_its_corners_and_its_bound() -> None:
    good, defective = np.array([0, 0, 0, 0.5, 1.0]), np.array([0, 0.5, 1.0, 1.0, 1.0])
    assert thinned(good, defective) == [0, 2, 4]
    labels = np.arange(4000) % 2 == 0
    curve = roc_curve(np.random.default_rng(0).random(4000), labels)
    kept = thinned(curve.good, curve.defective)
    assert len(kept) <= MAX_POINTS
    assert (kept[0], kept[-1]) == (0, len(curve.good) - 1)


def test_working_points_are_what_the_limits_do() -> None:
    scores, labels = np.array([0.05, 0.5, 0.95, 0.05, 0.5, 0.95]), np.array([False] * 3 + [True] * 3)
    (line,) = roc([ScoreCurve("routed", scores, NOWHERE, LIMITS)], labels).lines
    fail, held = line.points
    assert (fail.good, fail.defective) == pytest.approx((1 / 3, 1 / 3))
    assert (held.good, held.defective) == pytest.approx((2 / 3, 2 / 3))


def test_curves_differ_by_more_than_colour() -> None:
    labels = np.array([False, True])
    curves = [ScoreCurve(f"{n}", np.array([0.1, 0.9]), NOWHERE, None) for n in range(8)]
    assert len({line.dashes for line in roc(curves, labels).lines}) == 8


def test_the_words_of_a_fail_limit_next_to_one_have_room_and_do_not_say_one() -> None:
    plot = histogram(np.array([0.2, 0.9]), np.array([False, True]), Limits(0.1, 0.9998))
    assert plot.limits[1].label == "FAIL above 0.9998"
    assert plot.width >= plot.limits[1].x + 6 + 7 * len(plot.limits[1].label)
