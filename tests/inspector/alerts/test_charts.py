"""Charts of one place: when an alert begins and ends, and that a restart changes nothing."""

import random

import numpy as np
import pytest

from inspector.alerts.charts import Chart, CountChart, RateChart, ScoreChart, Signal
from inspector.alerts.seen import Seen, seen_of
from inspector.statistics.sequential_charts import BernoulliCusum, BernoulliReturn, Cusum, Ewma
from tests.inspector.alerts.line import FAIL, PASS, entry, scored, verdict

CUSUM = BernoulliCusum.designed(0.02, 0.2, 5000)
BACK = BernoulliReturn.designed(CUSUM, 5000)


def is_bad(seen: Seen) -> bool:
    return not seen.is_pass


def piece(is_defect: bool) -> Seen:
    return seen_of(entry(verdict(1, FAIL if is_defect else PASS), 1))


def score(value: float, bundle: str = "b1") -> Seen:
    return seen_of(entry(scored(1, value, bundle), 1))


def signals(chart: Chart, seen: list[Seen]) -> list[tuple[int, Signal]]:
    return [(number, signal) for number, each in enumerate(seen) if (signal := chart.step(each)) is not None]


def reopened(chart: Chart) -> Chart:
    match chart:
        case RateChart():
            return RateChart(CUSUM, BACK, is_bad, chart.state())
        case CountChart():
            return CountChart(3, 10, is_bad, chart.state())
        case ScoreChart():
            return ScoreChart(Cusum.designed(1.0, 5000), "mic", 200, chart.state(), chart.reference())
    raise AssertionError


def test_a_grown_rate_is_raised_with_figures_and_resolved_after_its_return() -> None:
    draws = random.Random(1)
    seen = [
        piece(draws.random() < share) for share, count in ((0.02, 300), (0.3, 200), (0.02, 800)) for _ in range(count)
    ]
    (first, raised), (last, cleared) = signals(RateChart(CUSUM, BACK, is_bad), seen)
    assert raised.is_raised
    assert 300 <= first < 400
    assert raised.detail.endswith(" %); usually 2.0 %")
    assert not cleared.is_raised
    assert last >= 500


def test_so_many_of_the_last_pieces_raise_and_half_of_them_resolve() -> None:
    pattern = [True, False, True, False, True, *[False] * 9]
    seen = signals(CountChart(3, 10, is_bad), [piece(each) for each in pattern])
    assert [(number, signal.is_raised) for number, signal in seen] == [(4, True), (12, False)]
    assert seen[0][1].detail == "3 of the last 5 pieces"


def test_bad_pieces_too_far_apart_raise_nothing() -> None:
    assert not signals(CountChart(3, 10, is_bad), [piece(number % 5 == 0) for number in range(500)])


def test_a_place_without_bad_pieces_keeps_its_state() -> None:
    chart = CountChart(3, 10, is_bad)
    before = chart.state()
    signals(chart, [piece(False)] * 20)
    assert chart.state() == before


@pytest.mark.parametrize("shift", [0.3, -0.3])
@pytest.mark.parametrize("design", [Cusum.designed(1.0, 5000), Ewma.designed(0.1, 5000)])
def test_moved_scores_are_raised_whatever_their_distribution_and_resolved_when_they_are_back(
    design: Cusum | Ewma, shift: float
) -> None:
    draws = np.random.default_rng(3)
    scores = [*draws.beta(2, 2, 400), *(draws.beta(2, 2, 100) + shift).clip(0, 1), *draws.beta(2, 2, 100)]
    chart = ScoreChart(design, "mic", 300)
    (first, raised), (last, cleared) = signals(chart, [score(each) for each in scores])
    assert raised.is_raised
    assert 400 <= first < 440
    assert ("higher" if shift > 0 else "lower") in raised.detail
    assert not cleared.is_raised
    assert 500 <= last < 560


def test_nothing_is_raised_before_the_reference_is_complete() -> None:
    chart = ScoreChart(Cusum.designed(1.0, 5000), "mic", 300)
    assert not signals(chart, [score(number / 300) for number in range(300)])
    assert len(chart.reference()) == 4 * 300


def test_equal_scores_are_no_shift() -> None:
    chart = ScoreChart(Cusum.designed(1.0, 5000), "mic", 100)
    assert not signals(chart, [score(0.0)] * 2000)


def test_another_bundle_starts_again_and_resolves() -> None:
    chart = ScoreChart(Cusum.designed(1.0, 5000), "mic", 200)
    draws = np.random.default_rng(4)
    seen = [
        *(score(each) for each in draws.random(200)),
        *[score(0.99)] * 50,
        score(0.99, "b2"),
        *[score(0.99, "b2")] * 150,
    ]
    raised, cleared = signals(chart, seen)
    assert raised[1].is_raised
    assert cleared == (250, Signal(False, "another bundle judges now, and the chart starts again"))


def test_pieces_without_a_score_are_left_out() -> None:
    chart = ScoreChart(Cusum.designed(1.0, 5000), "mic", 100)
    assert chart.step(score(float("nan"))) is None
    assert chart.reference() == b""


@pytest.mark.parametrize(
    "chart",
    [
        RateChart(CUSUM, BACK, is_bad),
        CountChart(3, 10, is_bad),
        ScoreChart(Cusum.designed(1.0, 5000), "mic", 200),
    ],
)
def test_a_chart_that_is_opened_again_after_every_piece_says_the_same(chart: Chart) -> None:
    draws = np.random.default_rng(5)
    values = [*draws.random(400), *(draws.random(100) / 4 + 0.75), *draws.random(300)]
    seen = [seen_of(entry(_mixed(number, value), number)) for number, value in enumerate(values)]
    restarted, raised = reopened(chart), []
    for number, each in enumerate(seen):
        restarted = reopened(restarted)
        if (signal := restarted.step(each)) is not None:
            raised.append((number, signal))
    assert raised == signals(chart, seen)
    assert raised


def _mixed(number: int, value: float):
    verdict = scored(number, value)
    verdict.decision = FAIL if value > 0.9 else PASS
    return verdict
