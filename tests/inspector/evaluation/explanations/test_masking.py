"""Erasing removes the named place and nothing else."""

import numpy as np
import pytest

from encoders.front_end import Image
from inspector.bundle.schema import SignalInput
from inspector.evaluation.explanations.masking import elsewhere, exchanged, inpainted, map_of
from inspector.judging.evidence import Box, boxes, signal_evidence
from protos.inspection.v1.verdict_pb2 import ImageRegion, SignalEvidence

pytestmark = pytest.mark.train
RATE_HZ = 16000.0
TIME_S = np.arange(4096) / RATE_HZ


def tone(hz: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.sin(2 * np.pi * hz * TIME_S)[:, None].astype(np.float32)


def power(samples: np.ndarray[tuple[int, ...], np.dtype[np.float32]], hz: float, part: slice) -> float:
    wave = np.exp(-2j * np.pi * hz * TIME_S[part])
    return float(abs((samples[part, 0] * wave).mean()) * 2) ** 2


def test_a_band_is_exchanged_within_its_stretch_alone() -> None:
    place = SignalEvidence(start_s=0.128, end_s=0.256, low_hz=1500, high_hz=2500)
    samples, good = tone(2000) + tone(500), 0.5 * tone(2000) + 1.32 * tone(500) + tone(7000) * 0.05
    without = exchanged(samples, good, RATE_HZ, place)
    before, inside = slice(0, 1920), slice(2176, 3968)
    assert power(without, 2000, before) == pytest.approx(1, abs=0.05)
    assert power(without, 2000, inside) == pytest.approx(0.25, abs=0.03)
    assert power(without, 500, inside) == pytest.approx(1, abs=0.05)
    assert power(without, 7000, inside) < 1e-4


def test_a_quiet_good_recording_stands_in_as_loud_as_what_it_stands_in_for() -> None:
    place = SignalEvidence(start_s=0, end_s=0.256, low_hz=1500, high_hz=2500)
    samples, good = tone(2000), tone(2000)
    results = [exchanged(samples, loudness * good, RATE_HZ, place) for loudness in (1.0, 0.01)]
    assert results[0] == pytest.approx(results[1], abs=1e-4)


def test_a_stretch_without_frequencies_is_that_of_the_good_recording() -> None:
    ramp = np.arange(20, dtype=np.float32)[:, None]
    without = exchanged(ramp + 5, ramp, 10.0, SignalEvidence(start_s=0.8, end_s=1.2))
    assert (without - ramp)[:, 0].tolist() == pytest.approx([5] * 8 + [0] * 4 + [5] * 8)


def test_a_shorter_good_recording_ends_as_it_ended() -> None:
    result = exchanged(np.zeros((6, 2), np.float32), np.ones((3, 2), np.float32), 10.0, SignalEvidence(end_s=0.6))
    assert (result == 1).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_spot_is_filled_from_around_it(dtype: type[np.uint8] | type[np.uint16]) -> None:
    image: Image = np.full((16, 16), 100, np.uint8) if dtype is np.uint8 else np.full((16, 16), 100, np.uint16)
    image[4:8, 4:8] = 250
    filled = inpainted(image, ImageRegion(x_px=4, y_px=4, width_px=4, height_px=4))
    assert filled.dtype == dtype
    assert (filled == 100).all()


def test_boxes_elsewhere_have_the_size_and_share_no_cell() -> None:
    box = Box(top=1, left=2, bottom=3, right=5, strength=1.0)
    others = elsewhere(box, (4, 8), 100, np.random.default_rng(0))
    cells = map_of(box, (4, 8))
    assert others
    assert all((map_of(other, (4, 8)) * cells).sum() == 0 and map_of(other, (4, 8)).sum() == 6 for other in others)
    assert len(set(others)) == len(others)


def test_a_box_that_fills_the_map_leaves_no_room() -> None:
    assert elsewhere(Box(0, 0, 4, 5, 1.0), (4, 8), 4, np.random.default_rng(0)) == []


def test_a_box_as_a_map_is_the_evidence_of_a_verdict() -> None:
    form = SignalInput(sample_rate_hz=100, num_samples=200, num_channels=1, min_hz=50, max_hz=2000)
    box = Box(1, 2, 3, 5, 1.0)
    assert boxes(map_of(box, (4, 8))) == [box]
    place = signal_evidence("mic", map_of(box, (4, 8)), form)
    assert place is not None
    assert (place.start_s, place.end_s) == (0.5, 1.25)
