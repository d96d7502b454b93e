from collections.abc import Sequence

import numpy as np
import pytest

from inspector.statistics.control_chart import MIN_SUBGROUPS, Limits, Subgroup, control_chart

NUM_PIECES = 720


def limits_of(subgroups: Sequence[Subgroup]) -> list[Limits]:
    """Of subgroups that all have pieces."""
    return [limit for limit in control_chart(subgroups).limits if limit is not None]


def groups(shares, num_pieces=NUM_PIECES, seed=1):
    draws = np.random.default_rng(seed).binomial(num_pieces, shares)
    return [Subgroup(num_pieces, int(count)) for count in draws]


def test_limits_of_the_p_chart_are_three_standard_deviations_around_the_mean_share():
    chart = control_chart([Subgroup(100, 10), Subgroup(400, 40)])

    assert chart.centre == pytest.approx(0.1)
    first, second = limits_of([Subgroup(100, 10), Subgroup(400, 40)])
    assert first.high == pytest.approx(0.1 + 3 * 0.03)
    assert second.high == pytest.approx(0.1 + 3 * 0.015)
    assert first.low == pytest.approx(0.01)


def test_chance_alone_is_called_out_of_control_about_three_times_in_a_thousand():
    flags = [limit.out_of_control for seed in range(100) for limit in limits_of(groups(np.full(100, 0.02), seed=seed))]

    assert np.mean(flags) == pytest.approx(0.0027, abs=0.002)


def test_a_rate_that_triples_is_out_of_control():
    shares = np.full(40, 0.02)
    shares[30:33] = 0.06

    flags = [limit.out_of_control for limit in limits_of(groups(shares))]

    assert all(flags[30:33])
    assert sum(flags) == 3


def test_limits_widen_where_shares_vary_more_than_chance():
    varying = np.random.default_rng(2).normal(0.2, 0.04, 100)

    chart = control_chart(groups(varying, num_pieces=10_000))

    assert chart.spread == pytest.approx(0.04 / np.sqrt(0.2 * 0.8 / 10_000), rel=0.2)
    assert sum(limit.out_of_control for limit in chart.limits if limit) <= 1


def test_limits_are_never_narrower_than_chance():
    assert control_chart([Subgroup(100, 10)] * 50).spread == 1.0


def test_few_subgroups_take_the_limits_of_chance():
    wild = [Subgroup(1000, 10), Subgroup(1000, 400)] * (MIN_SUBGROUPS // 2 - 1)

    assert control_chart(wild).spread == 1.0


def test_an_empty_stretch_has_no_limits():
    chart = control_chart([Subgroup(0, 0), Subgroup(100, 1)])

    assert chart.limits[0] is None
    assert chart.limits[1] is not None


@pytest.mark.parametrize("subgroups", [[], [Subgroup(0, 0)], [Subgroup(50, 0)] * 20, [Subgroup(50, 50)] * 20])
def test_no_pieces_and_no_or_only_defects_are_in_control(subgroups):
    assert not any(limit and limit.out_of_control for limit in control_chart(subgroups).limits)


def test_one_defective_piece_among_few_is_not_out_of_control():
    assert not any(each.out_of_control for each in limits_of([Subgroup(5, 1)] + [Subgroup(5, 0)] * 50))
