"""Something more complex is taken where independent recordings show its gain, and hardly ever by chance."""

import numpy as np
import pytest

from inspector.statistics.classification import area_under_curve
from inspector.statistics.evidence import MIN_DEFECTS, Choice, Gain, Rule, smallest_within_an_error, weigh
from inspector.statistics.ranking_evidence import weigh_ranking

STEPS = np.arange(1, 10) / 9
NAMES = [f"{10 * step} steps" for step in range(1, 10)]
LINES = 40


def line(random, gain):
    """Gains of nine numbers of steps for 120 pieces, each a pair of one of 15 to 40 pictures and as many taps."""
    picture, tap = (random.integers(number, size=120) for number in random.integers(15, 41, 2))
    bad = [random.random(41) < 0.3 for _ in range(2)]
    chance = _effects(random)[picture] + _effects(random)[tap] + 0.5 * random.standard_normal((120, 9))
    units = [{f"picture={p}", f"tap={t}"} for p, t in zip(picture, tap, strict=True)]
    return 0.05 * chance.T + gain * STEPS[:, None], units, bad[0][picture] | bad[1][tap], (picture, tap)


def _effects(random):
    return random.standard_normal((41, 1)) * STEPS + random.standard_normal((41, 9)).cumsum(1) / 6


def two_errors_of_the_best(gains, kinds):
    """The rule that took steps before: errors clustered by one kind of recording, for the best of nine alone."""
    best = gains[gains.mean(1).argmax()]
    errors = [np.sqrt((np.bincount(kind, best - best.mean()) ** 2).sum()) for kind in kinds]
    return best.sum() > 2 * max(errors)


def shares(gain):
    """Share of lines that take the complex thing: by the bound, and by two errors; and the mean shrunk share of it."""
    random = np.random.default_rng(5)
    by_bound, before, weights = [], [], []
    for seed in range(LINES):
        gains, units, labels, kinds = line(random, gain)
        evidence = weigh(gains, units, labels, NAMES, seed)
        best = int(gains.mean(1).argmax())
        by_bound.append(any(alternative.low > 0 for alternative in evidence.gains))
        weights.append(evidence.gains[best].weight)
        before.append(two_errors_of_the_best(gains, kinds))
    return float(np.mean(by_bound)), float(np.mean(before)), float(np.mean(weights))


def test_without_a_gain_one_line_in_twenty_takes_it_where_two_errors_of_the_best_of_nine_took_it_far_more_often():
    by_bound, before, weight = shares(0.0)
    noise = 2 * np.sqrt(0.05 * 0.95 / LINES)
    assert by_bound <= 0.05 + noise
    assert before >= 0.15
    assert before > 2 * by_bound
    assert weight < 0.15


def test_a_large_gain_is_taken_nearly_always_and_nearly_whole():
    by_bound, _, weight = shares(0.1)
    assert by_bound > 0.95
    assert weight > 0.9


def paired(num: int, gain: float = 0.1, defective: float = 0.5):
    labels = np.arange(num) < defective * num
    gains = gain + 0.05 * np.random.default_rng(0).standard_normal((1, num))
    return gains, [{f"picture={index}"} for index in range(num)], labels


def weighed(pieces, name="steps"):
    gains, units, labels = pieces
    return weigh(gains, units, labels, [name], seed=0)


@pytest.mark.parametrize("rule", list(Rule))
def test_below_the_least_number_of_independent_defects_nothing_is_taken(rule):
    few = weighed(paired(40, defective=(MIN_DEFECTS - 1) / 40))
    assert few.gains[0].low > 0
    assert not few.is_beyond_chance(0)
    assert few.weight(0, rule) == 0.0
    enough = weighed(paired(40, defective=MIN_DEFECTS / 40))
    assert enough.weight(0, rule) > 0.9


def test_pieces_that_share_recordings_are_few_pieces_of_evidence():
    gains, _, labels = paired(40)
    evidence = weigh(gains, [{f"picture={index % 8}"} for index in range(40)], labels, ["steps"], seed=0)
    assert (evidence.defective, evidence.good) == (8, 8)
    assert not evidence.is_beyond_chance(0)


def test_a_loss_has_no_weight_and_unknown_pieces_count_for_nothing():
    gains, units, labels = paired(60, gain=-0.1)
    gains[0, :30:2] = np.nan
    evidence = weigh(gains, units, labels, ["steps"], seed=0)
    assert evidence.gains[0].mean == pytest.approx(np.nanmean(gains))
    assert evidence.defective == 15
    assert [evidence.weight(0, rule) for rule in Rule] == [0.0, 0.0]


def test_the_weight_grows_with_the_evidence():
    random = np.random.default_rng(1)
    gains = 0.05 + 0.3 * random.standard_normal((1, 2000))
    units, labels = [{f"picture={index}"} for index in range(2000)], np.arange(2000) % 2 == 0
    weights = [
        weigh(gains[:, :num], units[:num], labels[:num], ["steps"], seed=0).gains[0].weight for num in (100, 400, 2000)
    ]
    assert weights == sorted(weights)
    assert weights[-1] > 0.9


def test_a_bound_for_many_alternatives_lies_lower_than_for_one():
    gains, units, labels, _ = line(np.random.default_rng(0), 0.1)
    many, one = weigh(gains, units, labels, NAMES, seed=0), weigh(gains[-1:], units, labels, NAMES[-1:], seed=0)
    assert many.gains[-1].low < one.gains[0].low < one.gains[0].mean == pytest.approx(many.gains[-1].mean)


def test_of_alternatives_within_an_error_of_the_best_the_simplest_is_taken():
    gains = [Gain(name, mean, 0.02, 0.0, 0.0, 0.0) for name, mean in (("10", 0.01), ("20", 0.05), ("30", 0.06))]
    assert smallest_within_an_error(gains) == 1


def test_a_choice_is_one_sentence_with_gain_interval_and_groups():
    evidence = weighed(paired(40), "50 steps")
    choice = Choice("Fusion head", "noisy-or", "50 steps", evidence.gains[0], evidence.groups(), "too few defects")
    line = choice.line()
    assert line.startswith("Fusion head: noisy-or rather than 50 steps (50 steps gains +0.0970 [+0.0860, +0.1079]")
    assert line.endswith("in log-loss, from 20 independent defective and 20 good pieces); too few defects.")


def test_a_gain_in_ranking_is_weighed_on_pieces_with_all_scores():
    random = np.random.default_rng(0)
    labels = np.arange(200) % 2 == 0
    units = [{f"picture={index}"} for index in range(200)]
    simple, better = ((2 * labels - 1) * signal + random.standard_normal(200) for signal in (0.3, 1.5))
    simple[:20] = np.nan
    gain, equal = weigh_ranking(np.stack([better, simple]), simple, labels, units, ["better", "equal"], seed=0).gains
    assert gain.low > 0.1
    assert gain.mean == pytest.approx(
        area_under_curve(better[20:], labels[20:]) - area_under_curve(simple[20:], labels[20:])
    )
    assert (equal.mean, equal.weight) == (0.0, 0.0)


def test_a_ranking_of_pieces_of_one_label_shows_nothing():
    units = [{f"picture={index}"} for index in range(40)]
    evidence = weigh_ranking(np.ones((1, 40)), np.ones(40), np.ones(40, np.bool_), units, ["better"], seed=0)
    assert np.isnan(evidence.gains[0].mean)
    assert not any(evidence.takes(0, rule) for rule in Rule)
