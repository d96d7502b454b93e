"""Samples in a window: as the join cuts them, not as rounding would suggest."""

import pytest

from inspector.recipe.window import window_samples
from streams.join.assembly import SensorSpec


@pytest.mark.parametrize(
    ("start_s", "end_s", "rate_hz", "expected"),
    [
        (0.0, 0.25, 16_000.0, 4_000),
        (-0.02, 0.23, 16_000.0, 4_000),
        (0.0, 0.042666667, 48_000.0, 2_048),
        (0.0, 0.0426666, 48_000.0, 2_047),
        (0.0, 0.2, 44_100.0, 8_820),
    ],
)
def test_a_window_holds_whole_samples_only(start_s: float, end_s: float, rate_hz: float, expected: int) -> None:
    assert window_samples(SensorSpec("mic", "audio", rate_hz, start_s=start_s, end_s=end_s)) == expected
