"""How several seeds stand in one cell."""

from collections.abc import Sequence

import pytest

from tests.benchmarks.evidence.spread import spread


@pytest.mark.parametrize(
    ("values", "cell"),
    [
        ([0.5], "0.500"),
        ([1, 3], "2.000 ± 1.414"),
        ([0.5, 0.5, 0.5], "0.500 ± 0.000"),
        ([1.0, 2.0, 3.0], "2.000 ± 1.000"),
    ],
)
def test_seeds_are_a_sample(values: Sequence[float], cell: str) -> None:
    assert spread(values) == cell
