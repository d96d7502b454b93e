"""How many pieces an expert looks at in one run."""

import pytest

from inspector.bundle.schema import ImageInput, SignalInput
from inspector.inference.examination import batch_size


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (ImageInput(tile_height_px=96, tile_width_px=96), 16),
        (ImageInput(tile_height_px=320, tile_width_px=320), 6),
        (ImageInput(tile_height_px=320, tile_width_px=320, rows=2, cols=2), 1),
        (ImageInput(tile_height_px=4096, tile_width_px=4096, num_channels=1), 1),
        (SignalInput(sample_rate_hz=16000, num_samples=32000, num_channels=1), 16),
    ],
)
def test_a_run_takes_no_more_than_the_memory_near_the_processor_holds(
    form: ImageInput | SignalInput, expected: int
) -> None:
    assert batch_size(form, max_batch=16) == expected
