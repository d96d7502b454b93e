"""Run lengths by Markov chain agree with published tables, with a dense chain, and with simulation."""

import math

import numpy as np
import pytest

from inspector.statistics.run_lengths import (
    bernoulli_run_length,
    cusum_run_length,
    ewma_run_length,
    return_run_length,
)
from inspector.statistics.sequential_charts import BernoulliCusum, BernoulliReturn, Cusum, Ewma, rise_for

SHIFT = 8 * 3600 * 12
"""Pieces of 8 hours at 12 a second."""


@pytest.mark.parametrize(
    ("limit", "in_control", "one_sigma"),
    [(4.0, 168, 8.38), (5.0, 465, 10.4)],
)
def test_the_cusum_has_the_run_lengths_of_the_tables(limit: float, in_control: float, one_sigma: float) -> None:
    assert cusum_run_length(0.5, limit) == pytest.approx(in_control, rel=0.005)
    assert cusum_run_length(0.5, limit, 1.0) == pytest.approx(one_sigma, rel=0.005)


@pytest.mark.parametrize(
    ("weight", "limit", "in_control", "one_sigma"),
    [(0.1, 2.814, 500, 10.3), (0.25, 2.998, 500, 11.1), (0.4, 3.054, 500, 14.3)],
)
def test_the_ewma_has_the_run_lengths_of_the_tables(
    weight: float, limit: float, in_control: float, one_sigma: float
) -> None:
    assert ewma_run_length(weight, limit) == pytest.approx(in_control, rel=0.01)
    assert ewma_run_length(weight, limit, 1.0) == pytest.approx(one_sigma, rel=0.01)


@pytest.mark.parametrize(
    ("before", "after", "delay"),
    [(0.02, 0.06, 296), (0.005, 0.02, 546)],
)
def test_a_defect_rate_is_found_as_early_as_computed_elsewhere(before: float, after: float, delay: float) -> None:
    chart = BernoulliCusum.designed(before, after, SHIFT)
    assert chart.mean_pieces(before) >= SHIFT
    assert chart.mean_pieces(after) == pytest.approx(delay, rel=0.02)


def dense_run_length(share: float, rise: int, limit: int) -> float:
    """The same chain, as a matrix."""
    chances = np.zeros((limit, limit))
    for state in range(limit):
        chances[state, max(0, state - 1)] += 1.0 - share
        if state + rise < limit:
            chances[state, state + rise] += share
    return float(np.linalg.solve(np.eye(limit) - chances, np.ones(limit))[0])


@pytest.mark.parametrize("share", [0.005, 0.06, 0.4])
@pytest.mark.parametrize(("rise", "limit"), [(1, 2), (1, 4), (4, 3), (4, 4), (4, 23), (26, 120), (91, 300)])
def test_the_recursion_solves_the_markov_chain(share: float, rise: int, limit: int) -> None:
    assert bernoulli_run_length(share, rise, limit) == pytest.approx(dense_run_length(share, rise, limit), rel=1e-4)


def dense_return(share: float, fall: int, limit: int) -> float:
    chances = np.zeros((limit, limit))
    for state in range(limit):
        chances[state, max(0, state - fall)] += share
        if state + 1 < limit:
            chances[state, state + 1] += 1.0 - share
    return float(np.linalg.solve(np.eye(limit) - chances, np.ones(limit))[0])


@pytest.mark.parametrize("share", [0.005, 0.06])
@pytest.mark.parametrize(("fall", "limit"), [(1, 2), (4, 23), (26, 120)])
def test_the_way_back_solves_its_chain(share: float, fall: int, limit: int) -> None:
    assert return_run_length(share, fall, limit) == pytest.approx(dense_return(share, fall, limit), rel=1e-8)


def test_a_line_without_defects_never_gives_a_signal() -> None:
    assert bernoulli_run_length(0.0, 26, 197) == math.inf


def signals_at(chart: BernoulliCusum, share: float, draws: np.random.Generator) -> int:
    total = num_pieces = 0
    while total < chart.limit:
        total = chart.next(total, bool(draws.random() < share))
        num_pieces += 1
    return num_pieces


def margin(values: list[int]) -> float:
    return float(4 * np.std(values)) / math.sqrt(len(values))


def test_simulated_defect_rates_are_found_at_the_computed_time() -> None:
    draws = np.random.default_rng(1)
    chart = BernoulliCusum.designed(0.02, 0.06, 5000)
    delays = [signals_at(chart, 0.06, draws) for _ in range(1500)]
    assert np.mean(delays) == pytest.approx(chart.mean_pieces(0.06), abs=margin(delays))
    false = [signals_at(chart, 0.02, draws) for _ in range(60)]
    assert np.mean(false) == pytest.approx(chart.mean_pieces(0.02), abs=margin(false))


def test_a_simulated_shift_is_found_at_the_computed_time() -> None:
    draws, cusum, ewma = np.random.default_rng(2), Cusum.designed(1.0, 1000), Ewma.designed(0.1, 1000)
    by_cusum, by_ewma = [], []
    for _ in range(800):
        sums, count = (0.0, 0.0), 0
        while max(sums) < cusum.limit:
            sums, count = cusum.next(sums, draws.normal(1.0)), count + 1
        by_cusum.append(count)
        average, count = 0.0, 0
        while abs(ewma.height(average)) <= ewma.limit:
            average, count = ewma.next(average, draws.normal(1.0)), count + 1
        by_ewma.append(count)
    assert np.mean(by_cusum) == pytest.approx(cusum.mean_pieces(1.0), rel=0.05)
    assert np.mean(by_ewma) == pytest.approx(ewma.mean_pieces(1.0), rel=0.05)


@pytest.mark.parametrize("num_pieces", [300.0, 345_600.0])
def test_the_limit_is_as_low_as_the_false_alarms_allow(num_pieces: float) -> None:
    assert num_pieces <= Cusum.designed(1.0, num_pieces).mean_pieces(0.0) <= 1.1 * num_pieces
    assert num_pieces <= Ewma.designed(0.1, num_pieces).mean_pieces(0.0) <= 1.1 * num_pieces
    chart = BernoulliCusum.designed(0.02, 0.06, num_pieces)
    lower = BernoulliCusum(chart.before, chart.after, chart.rise, chart.limit - 1)
    assert lower.mean_pieces(0.02) < num_pieces <= chart.mean_pieces(0.02)


def test_a_rate_that_came_back_is_found_too() -> None:
    chart = BernoulliCusum.designed(0.02, 0.06, SHIFT)
    back = BernoulliReturn.designed(chart, SHIFT)
    assert return_run_length(0.06, back.fall, back.limit) >= SHIFT
    assert return_run_length(0.02, back.fall, back.limit) < 1000
    assert back.next(back.next(5, is_bad=False), is_bad=True) == 0


@pytest.mark.parametrize(("before", "after"), [(0.0, 0.1), (0.06, 0.02), (0.3, 0.3), (0.26, 0.3), (0.5, 1.0)])
def test_shares_that_no_chart_can_tell_apart_are_refused(before: float, after: float) -> None:
    with pytest.raises(ValueError, match="shares of"):
        rise_for(before, after)
