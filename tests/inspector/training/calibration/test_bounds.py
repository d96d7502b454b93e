"""Limits on few independent pieces keep the false-reject rate that they promise, whatever the tail's shape.

Share of simulated lines whose true false-reject rate is above the promised 2 %, at 95 % confidence: 5 % may be. Good
pieces pair a tap with one of twice as many pictures, six pieces per tap; the tap alone moves the score. Median distance
of the limit from the median, in units of the distance to the true 98 % quantile, in brackets. 400 lines per cell;
`plain` is the rule before (the empirical quantile over pieces), `normal` mean and deviation with the normal tolerance
factor, `tail` the rule that is used. A third and a fifth: its scale from the upper third or fifth of the pieces.

| shape | taps | plain | normal | tail | a third | a fifth |
|---|---|---|---|---|---|---|
| normal | 10 | 81 % [0.7] | 4 % [1.7] | 1 % [3.2] | 3 % [3.3] | 12 % [3.3] |
| normal | 80 | 57 % [1.0] | 6 % [1.2] | 0 % [1.7] | 0 % [1.5] | 1 % [1.4] |
| heavy (t, 3) | 10 | 82 % [0.5] | 22 % [1.4] | 4 % [2.4] | 8 % [2.6] | 15 % [2.7] |
| heavy (t, 3) | 20 | 71 % [0.7] | 28 % [1.2] | 6 % [1.8] | 7 % [1.8] | 13 % [2.1] |
| heavy (t, 3) | 80 | 56 % [0.9] | 32 % [1.1] | 3 % [1.5] | 6 % [1.5] | 8 % [1.5] |
| exponential | 10 | 84 % [0.6] | 46 % [1.0] | 5 % [2.4] | 5 % [2.9] | 15 % [3.1] |
| exponential | 20 | 70 % [0.8] | 58 % [0.9] | 6 % [1.8] | 6 % [2.0] | 6 % [2.2] |
| exponential | 80 | 52 % [1.0] | 80 % [0.9] | 3 % [1.4] | 3 % [1.5] | 3 % [1.5] |
| a fifth far | 10 | 83 % [0.8] | 12 % [1.5] | 1 % [3.2] | 2 % [3.9] | 7 % [3.5] |
| a fifth far | 80 | 58 % [1.0] | 43 % [1.0] | 0 % [1.6] | 0 % [1.6] | 0 % [1.5] |
| a twelfth far | 10 | 85 % [0.6] | 28 % [1.2] | 5 % [2.5] | 5 % [3.0] | 12 % [3.0] |
| a twelfth far | 40 | 63 % [0.9] | 60 % [1.0] | 4 % [1.5] | 9 % [1.5] | 8 % [1.6] |
| a twelfth far | 80 | 59 % [1.0] | 78 % [0.9] | 4 % [1.3] | 5 % [1.3] | 6 % [1.4] |
| lognormal | 40 | 52 % [0.9] | 70 % [0.9] | 10 % [1.5] | 9 % [1.5] | 8 % [1.7] |
| a 25th very far | 20 | 69 % [0.9] | 82 % [0.7] | 46 % [1.1] | 42 % [1.3] | 39 % [1.9] |

No rule keeps the last one: on 44 % of lines with 20 taps (.96 to the 20th), no such piece is seen.
"""

import math

import numpy as np
import pytest

from inspector.training.calibration.bounds import enough_to_count, upper_bound
from inspector.training.calibration.units import num_units, unit_weights

RATE, CONFIDENCE, LINES = 0.02, 0.95, 200
SHAPES = {
    "normal": lambda random, num: random.normal(size=num),
    "heavy (Student's t, 3)": lambda random, num: random.standard_t(3, num),
    "exponential": lambda random, num: random.exponential(size=num),
    "bimodal, a fifth far": lambda random, num: random.normal(size=num) + 3 * (random.random(num) < 0.2),
    "bimodal, a twelfth far": lambda random, num: random.normal(size=num) + 3 * (random.random(num) < 0.08),
}


def good_pieces(random, shape, taps):
    """Scores of good pieces that pair a tap with a picture, and their weights as evidence."""
    tap, picture = (random.integers(num, size=6 * taps) for num in (taps, 2 * taps))
    scores = SHAPES[shape](random, taps)[tap] + random.normal(0, 1e-6, 6 * taps)
    return scores, 1 / np.maximum(*(np.bincount(kind)[kind] for kind in (tap, picture)))


def plain(scores):
    return np.sort(scores)[::-1][int(RATE * len(scores))]


def broken(shape, taps, limit_of):
    """Share of lines whose limit lets more than RATE of all good pieces fail."""
    random = np.random.default_rng(taps)
    allowed = np.quantile(SHAPES[shape](random, 400_000), 1 - RATE)
    return np.mean([limit_of(*good_pieces(random, shape, taps)) < allowed for _ in range(LINES)])


def kept(scores, weights):
    return upper_bound(scores, weights, RATE, CONFIDENCE).limit


@pytest.mark.parametrize("taps", [10, 20, 40, 80])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_promise_is_broken_on_no_more_lines_than_the_confidence_allows(shape, taps):
    noise = 2 * math.sqrt((1 - CONFIDENCE) * CONFIDENCE / LINES)
    assert broken(shape, taps, kept) <= 1 - CONFIDENCE + noise


@pytest.mark.parametrize("shape", SHAPES)
def test_the_plain_quantile_of_the_pieces_breaks_it_on_half_of_the_lines(shape):
    assert broken(shape, 20, lambda scores, weights: plain(scores)) > 0.4


def test_with_enough_independent_pieces_counting_alone_gives_the_limit():
    num = enough_to_count(RATE, CONFIDENCE)
    assert num == 149
    scores = np.random.default_rng(0).normal(size=num)
    bound = upper_bound(scores, np.ones(num), RATE, CONFIDENCE)
    assert (bound.limit, bound.method, bound.num) == (scores.max(), "count", num)
    fewer = upper_bound(scores[1:], np.ones(num - 1), RATE, CONFIDENCE)
    assert fewer.method == "tail"
    assert fewer.limit > scores[1:].max()


def test_counting_lets_as_many_fail_as_clopper_and_pearson_allow():
    scores = np.arange(1000.0)
    bound = upper_bound(scores, np.ones(1000), RATE, CONFIDENCE)
    assert (scores > bound.limit).sum() == 12
    assert bound.beyond == pytest.approx(0.012)
    assert bound.observed == 979.0


@pytest.mark.parametrize("num", [1, 5, 30, 100])
def test_the_limit_lies_above_every_piece_that_was_seen_while_they_are_few(num):
    scores = np.random.default_rng(1).normal(size=num)
    bound = upper_bound(scores, np.ones(num), RATE, CONFIDENCE)
    assert bound.limit >= scores.max()
    assert bound.observed <= bound.limit


def test_fewer_pieces_give_a_wider_allowance():
    scores = np.random.default_rng(2).normal(size=128)
    limits = [upper_bound(scores[:num], np.ones(num), RATE, CONFIDENCE).limit for num in (4, 16, 64)]
    assert limits == sorted(limits, reverse=True)


def test_pieces_that_repeat_a_recording_are_no_further_evidence():
    scores = np.random.default_rng(3).normal(size=20)
    once = upper_bound(scores, np.ones(20), RATE, CONFIDENCE)
    often = upper_bound(np.repeat(scores, 30), np.full(600, 1 / 30), RATE, CONFIDENCE)
    assert often.num == once.num == 20
    assert often.limit == pytest.approx(once.limit, rel=0.1)


@pytest.mark.parametrize(("rate", "limit"), [(0.0, math.inf), (1.0, 0.0)])
def test_a_rate_of_nothing_is_kept_by_no_limit_and_one_of_all_by_any(rate, limit):
    assert upper_bound(np.arange(5.0), np.ones(5), rate, CONFIDENCE).limit == limit


def test_without_pieces_nothing_may_fail():
    bound = upper_bound(np.array([]), np.array([]), RATE, CONFIDENCE)
    assert (bound.limit, bound.num) == (math.inf, 0)


def test_pieces_count_as_the_scarcer_kind_of_their_recordings():
    units = [{f"picture={number % 60}", f"tap={number % 7}"} for number in range(420)]
    assert num_units(units, np.ones(420, np.bool_)) == 7
    assert num_units(units[:60], np.ones(60, np.bool_)) == 7
    assert num_units([{f"picture={number}"} for number in range(9)], np.arange(9) < 4) == 4
    assert unit_weights([{"a"}, {"a", "b"}, {"c"}]).tolist() == [0.5, 0.5, 1.0]
