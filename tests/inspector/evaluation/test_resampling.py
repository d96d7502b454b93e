"""Intervals are of groups, not of recordings."""

import numpy as np
import pytest

from inspector.evaluation.resampling import mean_by_group

VALUES = np.tile([0.0, 1.0], 50)


def test_mean_and_interval_of_independent_values() -> None:
    found = mean_by_group(VALUES, [str(index) for index in range(100)], seed=1)
    assert found.mean == 0.5
    assert (found.low, found.high) == pytest.approx((0.4, 0.6), abs=0.03)


def test_values_of_one_group_are_one_piece_of_evidence() -> None:
    ordered = np.sort(VALUES)
    found = mean_by_group(ordered, [str(index // 25) for index in range(100)], seed=1)
    assert (found.low, found.high) == pytest.approx((0.0, 1.0), abs=0.01)


def test_nothing_has_no_mean() -> None:
    assert all(np.isnan(mean_by_group([], [], seed=1)))
