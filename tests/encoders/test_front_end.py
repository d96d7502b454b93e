"""The preparation of images and clips that training and serving share."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pytest

from encoders.front_end import prepare_clip, prepare_image


@dataclass(frozen=True)
class Picture:
    tile_height_px: int = 4
    tile_width_px: int = 6
    rows: int = 1
    cols: int = 1
    num_channels: Literal[1, 3] = 1
    interpolation: Literal["area", "linear", "nearest"] = "area"
    mean: float = 0.0
    std: float = 1.0


@dataclass(frozen=True)
class Signal:
    sample_rate_hz: float = 100.0
    num_samples: int = 4
    num_channels: int = 2
    scaling: Literal["none", "standard"] = "none"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


@pytest.mark.parametrize("shape", [(4, 6), (9, 5), (40, 60, 3)])
@pytest.mark.parametrize("num_channels", [1, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_image_becomes_float_tiles_of_one_shape(shape, num_channels, dtype):
    prepared = prepare_image(np.zeros(shape, dtype), Picture(rows=2, cols=3, num_channels=num_channels))
    assert prepared.shape == (6, num_channels, 4, 6)
    assert prepared.dtype == np.float32


@pytest.mark.parametrize(("dtype", "full"), [(np.uint8, 255), (np.uint16, 65535)])
def test_full_scale_is_one_before_mean_and_std(dtype, full):
    prepared = prepare_image(np.full((4, 6), full, dtype), Picture(mean=0.5, std=0.25))
    assert prepared == pytest.approx(np.full((1, 1, 4, 6), 2.0))


def test_tiles_go_row_by_row():
    image = np.arange(8 * 12, dtype=np.uint8).reshape(8, 12)
    tiles = np.rint(prepare_image(image, Picture(rows=2, cols=2)) * 255).astype(np.uint8)
    assert (tiles[1, 0] == image[:4, 6:]).all()
    assert (tiles[2, 0] == image[4:, :6]).all()


def test_colours_arrive_as_red_green_blue():
    blue_green_red = np.zeros((4, 6, 3), np.uint8) + np.array([0, 51, 255], np.uint8)
    prepared = prepare_image(blue_green_red, Picture(num_channels=3))
    assert prepared[0, :, 0, 0] == pytest.approx([1.0, 0.2, 0.0])


def test_nearest_mixes_no_categories():
    image = np.random.default_rng(0).choice(np.array([0, 128, 255], np.uint8), (25, 27))
    prepared = prepare_image(image, Picture(tile_height_px=48, tile_width_px=48, interpolation="nearest"))
    assert set(np.rint(np.unique(prepared) * 255)) == {0, 128, 255}


@pytest.mark.parametrize("shape", [(4,), (4, 6, 4), (0, 6), (2, 4, 6, 3)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"expected \(H, W\)"):
        prepare_image(np.zeros(shape, np.uint8), Picture())


@pytest.mark.parametrize(("length", "expected"), [(3, [0, 2, 4, 0]), (4, [0, 2, 4, 6]), (6, [0, 2, 4, 6])])
def test_clips_are_cut_or_padded_at_the_end(length, expected):
    samples = np.arange(2 * length, dtype=np.float32).reshape(length, 2)
    assert prepare_clip(samples, 100.0, Signal())[0].tolist() == expected


def test_scaling_is_per_channel_and_padding_stays_zero():
    form = Signal(scaling="standard", mean=(1.0, 0.0), std=(2.0, 4.0))
    prepared = prepare_clip(np.array([[3.0, 8.0]], np.float32), 100.0, form)
    assert prepared.tolist() == [[1, 0, 0, 0], [2, 0, 0, 0]]


def test_preparing_leaves_the_samples_as_they_were():
    samples = np.ones((4, 2), np.float32)
    prepare_clip(samples, 100.0, Signal(scaling="standard", mean=(1.0, 1.0), std=(1.0, 1.0)))
    assert (samples == 1).all()


@pytest.mark.parametrize(("rate_hz", "fits"), [(100.0, True), (100.09, True), (100.2, False), (48000.0, False)])
def test_another_sample_rate_is_refused(rate_hz, fits):
    samples = np.zeros((4, 2), np.float32)
    if fits:
        assert prepare_clip(samples, rate_hz, Signal()).shape == (2, 4)
        return
    with pytest.raises(ValueError, match="expects 100 Hz"):
        prepare_clip(samples, rate_hz, Signal())


def test_another_number_of_channels_is_refused():
    with pytest.raises(ValueError, match=r"expected \(samples, 2\)"):
        prepare_clip(np.zeros((4, 1), np.float32), 100.0, Signal())
