"""Evidence lies where the relevance lies, in units of the image and of the clip."""

import cv2
import numpy as np
import pytest

from inspector.bundle.schema import SignalInput
from inspector.judging.evidence import (
    MAX_PNG_BYTES,
    Box,
    Picture,
    boxes,
    heat_map,
    image_evidence,
    mel_edges_hz,
    signal_evidence,
)

PICTURE = Picture("top", width_px=80, height_px=40)
FORM = SignalInput(sample_rate_hz=100, num_samples=200, num_channels=1, min_hz=0, max_hz=2000)


def relevance(
    shape: tuple[int, int], cells: dict[tuple[int, int], float]
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    values = np.full(shape, 0.01, np.float32)
    for cell, value in cells.items():
        values[cell] = value
    return values


def test_regions_are_pixels_of_the_image_strongest_first() -> None:
    evidence = image_evidence(PICTURE, relevance((4, 8), {(0, 0): 0.5, (2, 6): 0.9, (2, 7): 0.6}))
    regions = [(r.x_px, r.y_px, r.width_px, r.height_px, round(r.strength, 2)) for r in evidence.regions]
    assert regions == [(60, 20, 20, 10, 0.9), (0, 0, 10, 10, 0.5)]
    assert evidence.camera == "top"


def test_a_region_ends_where_a_certain_map_falls_off_and_not_where_it_reaches_its_background() -> None:
    certain = np.full((4, 8), 0.6, np.float32)
    certain[1, 2] = certain[1, 3] = 0.9999
    (box,) = boxes(certain)
    assert box[:4] == (1, 2, 2, 4)
    assert box.strength == pytest.approx(0.9999)


def test_a_map_that_is_certain_everywhere_has_bounds() -> None:
    assert boxes(np.ones((4, 8), np.float32)) == [Box(0, 0, 4, 8, 1.0)]


def test_regions_hold_all_their_cells_where_these_do_not_divide_the_image() -> None:
    picture = PICTURE._replace(width_px=10, height_px=10)
    (region,) = image_evidence(picture, relevance((3, 3), {(1, 1): 1.0})).regions
    assert (region.x_px, region.y_px, region.width_px, region.height_px) == (3, 3, 4, 4)


def test_at_most_five_regions() -> None:
    cells = {(row, col): 0.5 + row / 20 + col / 200 for row in (0, 2, 4, 6) for col in (0, 2, 4, 6)}
    regions = image_evidence(PICTURE, relevance((8, 8), cells)).regions
    assert [round(r.strength, 3) for r in regions] == [0.83, 0.82, 0.81, 0.8, 0.73]


def test_a_quiet_map_marks_nothing() -> None:
    assert not image_evidence(PICTURE, relevance((4, 8), {})).regions
    assert signal_evidence("mic", relevance((1, 8), {}), FORM) is None


@pytest.mark.parametrize(
    ("width_px", "height_px", "shape"), [(80, 40, (40, 80)), (2000, 1000, (128, 256)), (10, 4000, (256, 1))]
)
def test_heat_map_covers_the_image_in_its_proportions(width_px: int, height_px: int, shape: tuple[int, int]) -> None:
    png = heat_map(np.ones((4, 8), np.float32), width_px, height_px, 256)
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    assert image is not None
    assert (image.shape, int(image[0, 0])) == (shape, 255)
    assert image.dtype == np.uint8


def test_a_heat_map_too_large_for_the_record_comes_in_half_the_size() -> None:
    noise = np.random.default_rng(1).random((256, 256), np.float32)
    assert len(heat_map(noise, 256, 256, 256)) > MAX_PNG_BYTES
    png = image_evidence(Picture("top", 256, 256), noise).heat_map_png
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    assert image is not None
    assert image.shape == (128, 128)
    assert len(png) <= MAX_PNG_BYTES


def test_a_signals_region_is_in_seconds_and_hertz() -> None:
    evidence = signal_evidence("mic", relevance((2, 4), {(1, 1): 0.8, (1, 2): 0.7}), FORM)
    assert evidence is not None
    assert (evidence.start_s, evidence.end_s) == (0.5, 1.5)
    assert evidence.low_hz == pytest.approx(mel_edges_hz(0, 2000, 2)[1])
    assert evidence.high_hz == pytest.approx(2000)


def test_without_frequencies_a_region_has_none() -> None:
    evidence = signal_evidence("mic", relevance((1, 4), {(0, 3): 0.8}), FORM)
    assert evidence is not None
    assert not evidence.HasField("low_hz")


@pytest.mark.parametrize(("max_hz", "num", "edges"), [(900, 3, [0, 300, 600, 900]), (6400, 2, [0, 700 * 2, 6400])])
def test_mel_edges(max_hz: float, num: int, edges: list[float]) -> None:
    """Linear to 1 kHz; 6.4 kHz is 42 mel on Slaney's scale, and 21 mel is 1000 * 6.4 ** (6 / 27) Hz."""
    expected = edges if max_hz < 1000 else [0, 1000 * 6.4 ** (6 / 27), 6400]
    np.testing.assert_allclose(mel_edges_hz(0, max_hz, num), expected, rtol=1e-9)
