"""Log-odds to probabilities, and labelled scores to limits."""

import numpy as np
import pytest

from fusion.calibration import Costs, Limits, cheapest_limits, fit, probability


@pytest.mark.parametrize(
    ("logit", "expected"), [(0.0, 0.5), (1e4, 1.0), (-1e4, 0.0), (np.log(3.0), 0.75), (-np.log(3.0), 0.25)]
)
def test_probability_is_a_sigmoid_without_overflow(logit, expected):
    assert probability(logit, 1.0, 0.0) == pytest.approx(expected)


def test_temperature_divides_before_the_bias_is_added():
    assert probability(4.0, 2.0, -2.0) == pytest.approx(0.5)
    assert probability(np.array([4.0, 4.0]), 2.0, -2.0) == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize(("temperature", "bias"), [(0.5, 0.0), (1.0, -1.0), (4.0, 0.7)])
def test_fit_finds_the_sigmoid_that_drew_the_labels(temperature, bias):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2 * temperature, 40_000)
    labels = rng.random(len(logits)) < probability(logits, temperature, bias)
    sigmoid = fit(logits, labels)
    assert sigmoid.temperature == pytest.approx(temperature, rel=0.05)
    assert sigmoid.bias == pytest.approx(bias, abs=0.05)


def test_separable_scores_stay_finite():
    sigmoid = fit(np.array([-3.0, -2.0, 2.0, 3.0]), np.array([False, False, True, True]))
    assert 0 < sigmoid.temperature < np.inf
    assert abs(sigmoid.bias) < 1


def test_scores_in_the_wrong_order_do_not_turn_the_sigmoid_round():
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 2 == 0
    assert fit(np.where(labels, -1.0, 1.0) + rng.normal(0, 0.1, 200), labels).temperature > 0


@pytest.mark.parametrize("centre", [-500.0, 0.0, 500.0])
def test_scores_that_tell_nothing_give_the_base_rate(centre):
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 4 == 0
    logits = centre + np.where(labels, -0.1, 0.1) + rng.normal(0, 1.0, 200)
    assert probability(logits, *fit(logits, labels)) == pytest.approx(np.full(200, 0.25), abs=0.03)


@pytest.mark.parametrize("labels", [[True, True], [False, False]])
def test_one_kind_of_pieces_calibrates_nothing(labels):
    with pytest.raises(ValueError, match="good and defective"):
        fit(np.array([0.0, 1.0]), np.array(labels))


@pytest.mark.parametrize(
    ("costs", "expected"),
    [
        (Costs(escape=100, false_reject=10, review=1), Limits(0.01, 0.9)),
        (Costs(escape=100, false_reject=10, review=50), Limits(10 / 110, 10 / 110)),
        (Costs(escape=1, false_reject=1, review=0.5), Limits(0.5, 0.5)),
    ],
)
def test_costs_set_the_zones(costs, expected):
    assert cheapest_limits(costs) == pytest.approx(expected)


@pytest.mark.parametrize("costs", [Costs(100, 10, 1), Costs(20, 30, 4), Costs(5, 5, 4)])
def test_no_other_zones_cost_less(costs):
    scores = np.linspace(0.001, 0.999, 999)

    def cost(limits):
        sure = np.where(scores < limits.pass_below, scores * costs.escape, costs.review)
        return np.where(scores > limits.fail_above, (1 - scores) * costs.false_reject, sure).sum()

    edges = np.linspace(0, 1, 41)
    others = (cost(Limits(low, high)) for low in edges for high in edges if low <= high)
    assert cost(cheapest_limits(costs)) <= min(others) + 1e-9
