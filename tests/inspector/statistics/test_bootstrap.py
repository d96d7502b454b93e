"""Intervals are of groups, not of recordings."""

import numpy as np
import pytest

from inspector.statistics.bootstrap import essential_units, mean_by_group, mean_by_units, unit_weights

VALUES = np.tile([0.0, 1.0], 50)


def test_mean_and_interval_of_independent_values() -> None:
    interval = mean_by_group(VALUES, [str(index) for index in range(100)], seed=1)
    assert interval.mean == 0.5
    assert (interval.low, interval.high) == pytest.approx((0.4, 0.6), abs=0.03)


def test_values_of_one_group_are_one_piece_of_evidence() -> None:
    ordered = np.sort(VALUES)
    interval = mean_by_group(ordered, [str(index // 25) for index in range(100)], seed=1)
    assert (interval.low, interval.high) == pytest.approx((0.0, 1.0), abs=0.01)


def test_nothing_has_no_mean() -> None:
    assert all(np.isnan(mean_by_group([], [], seed=1)))


def test_a_piece_is_drawn_as_often_as_its_recordings_together():
    units = [{"picture=a"}, {"sound=b"}, {"picture=a", "sound=b"}]
    picture, sound, both = unit_weights(units, 50, seed=1).T
    assert (both == picture * sound).all()
    assert both.max() > 1


def test_pairs_of_few_pictures_and_few_sounds_are_less_sure_than_pictures_alone():
    pairs = [(i // 10, i % 10) for i in range(100)]
    values = [float(sound < 5) for _, sound in pairs]
    crossed = mean_by_units(values, [{f"picture={p}", f"sound={s}"} for p, s in pairs], seed=1)
    pictures = mean_by_group(values, [str(p) for p, _ in pairs], seed=1)
    assert crossed.high - crossed.low > 0.3
    assert pictures.low == pictures.high == 0.5


def test_a_recording_whose_pieces_all_share_another_one_adds_nothing():
    """Two pictures of one lot, a picture with a sound of its own, and recordings that are crossed."""
    units = [{"a", "lot"}, {"b", "lot"}, {"c", "d"}, {"p", "s"}, {"p", "t"}, {"q", "s"}, {"q", "t"}]
    expected = [{"lot"}, {"lot"}, {"d"}, {"p", "s"}, {"p", "t"}, {"q", "s"}, {"q", "t"}]
    assert essential_units(units) == expected


def test_pieces_that_share_nothing_have_the_variance_of_single_pieces():
    units = [{f"picture={index}", f"sound={index}"} for index in range(200)]
    weights = unit_weights(essential_units(units), 500, seed=0)
    assert weights.var() == pytest.approx(1.0, abs=0.05)
    assert unit_weights(units, 500, seed=0).var() == pytest.approx(3.0, abs=0.2)


def test_a_piece_without_units_stays_without():
    assert essential_units([set(), {"a"}]) == [set(), {"a"}]
