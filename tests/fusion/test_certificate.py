"""Certified miss rates: equal to published numbers and to mapie's."""

import warnings

import numpy as np
import pytest

from fusion.certificate import (
    certifiable_level,
    certifies,
    further_defects,
    independent,
    last_valid,
    p_value,
    rate_below,
)


@pytest.mark.parametrize(
    ("num_defects", "num_misses", "miss_rate", "certified"),
    [
        (373, 0, 0.008, True),
        (372, 0, 0.008, False),
        (59, 0, 0.05, True),
        (58, 0, 0.05, False),
        (93, 1, 0.05, True),
        (92, 1, 0.05, False),
        (0, 0, 0.5, False),
        (10, 10, 0.99, False),
    ],
)
def test_counts_that_certify(num_defects, num_misses, miss_rate, certified):
    assert certifies(num_defects, num_misses, miss_rate, 0.95) is certified


@pytest.mark.parametrize(
    ("num_defects", "num_misses", "more"), [(0, 0, 373), (372, 0, 1), (373, 0, 0), (500, 0, 0), (66, 0, 307)]
)
def test_further_defects_without_a_miss(num_defects, num_misses, more):
    assert further_defects(num_defects, num_misses, 0.008, 0.95) == more


@pytest.mark.parametrize(("num_defects", "num_misses"), [(20, 0), (66, 0), (66, 3), (373, 0), (2000, 9)])
def test_the_certifiable_level_is_certified_and_a_millionth_less_is_not(num_defects, num_misses):
    level = certifiable_level(num_defects, num_misses, 0.95)
    assert certifies(num_defects, num_misses, level, 0.95)
    assert not certifies(num_defects, num_misses, level - 1e-6, 0.95)


def test_nothing_certifies_nothing():
    assert certifiable_level(0, 0, 0.95) == 1.0


@pytest.mark.parametrize(
    ("misses", "expected"), [([0, 0, 1, 2], 1), ([0, 0, 0], 2), ([1, 1], None), ([0, 1, 0], 0), ([], None)]
)
def test_the_sequence_ends_at_its_first_failure(misses, expected):
    assert last_valid(misses, 60, 0.05, 0.95) == expected


@pytest.mark.train
def test_equal_to_mapie_on_random_cases():
    risk_control = pytest.importorskip("mapie.risk_control", reason="needs the training half")
    random = np.random.default_rng(0)
    seen = set()
    for _ in range(120):
        num, level = int(random.integers(1, 600)), float(random.choice([0.008, 0.02, 0.05, 0.1, 0.3]))
        confidence = float(random.choice([0.9, 0.95, 0.99]))
        scores = random.beta(random.uniform(2, 30), 2, num)
        thresholds = np.unique(random.beta(2, random.uniform(2, 30), 40))
        theirs = risk_control.BinaryClassificationController(
            lambda rows: np.column_stack([1 - rows, rows]),
            risk="recall",
            target_level=1 - level,
            confidence_level=confidence,
            list_predict_params=thresholds,
            fwer_method="fixed_sequence",
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # It warns where all or none of the thresholds are valid.
            theirs.calibrate(scores, np.ones(num, int))
        misses = [int(np.sum(scores < limit)) for limit in thresholds]
        np.testing.assert_allclose([p_value(num, m, level) for m in misses], theirs.p_values[:, 0], rtol=1e-9)
        valid = last_valid(misses, num, level, confidence)
        assert thresholds[: 0 if valid is None else valid + 1].tolist() == theirs.valid_predict_params.tolist()
        seen.add("none" if valid is None else "all" if valid == len(misses) - 1 else "some")
    assert seen == {"none", "some", "all"}


def test_evidence_shares_no_unit_and_no_order():
    names = [f"p{number}" for number in range(60)]
    units = [frozenset({f"a{number % 7}", f"b{number % 11}"}) for number in range(60)]
    chosen = independent(names, units)
    used_units = [unit for index in chosen for unit in units[index]]
    assert len(used_units) == len(set(used_units))
    assert all(set(used_units) & piece_units for piece_units in units), "none could be added"
    back = independent(names[::-1], units[::-1])
    assert sorted(59 - index for index in back) == chosen


@pytest.mark.parametrize(
    ("num", "hits", "below"),
    [(0, 0, 1.0), (1, 0, 0.95), (300, 0, 0.009936), (300, 3, 0.025641), (1496, 0, 0.0020005), (1497, 0, 0.0019992),
     (10, 9, 0.994884), (10, 10, 1.0)],
)  # fmt: skip
def test_a_share_is_below_the_quantile_of_the_beta_distribution(num, hits, below):
    assert rate_below(num, hits, 0.95) == pytest.approx(below, abs=1e-6)
