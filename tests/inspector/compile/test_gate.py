"""The gate's report fits on one line."""

import pytest

from inspector.compile.gate import flip_summary
from inspector.parity.report import Limit
from tests.inspector.compile.test_float_layers import trial


@pytest.mark.parametrize(
    ("flips", "new_passes", "summary"),
    [
        (0, 0, "0 of 9 decisions flip (1 may); scores differ by at most 0"),
        (2, 0, "2 of 9 decisions flip (1 may): p, p; scores differ by at most 0"),
        (0, 1, "1 of 9 decisions flip (1 may): p, 1 of them defective and PASS now; scores differ by at most 0"),
        (12, 0, "12 of 9 decisions flip (1 may): " + "p, " * 9 + "p and 2 more; scores differ by at most 0"),
    ],
)
def test_one_line(flips: int, new_passes: int, summary: str) -> None:
    assert flip_summary(trial(0, flips, new_passes).report, Limit()) == summary
