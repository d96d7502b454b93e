"""GenICam cameras: pixel formats by arrays, and a real GenTL producer, Viky, which comes with the package genicam."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.sources.genicam import genicam_camera, load_harvester, pixels_of
from inspector.sources.newest import CameraAwayError, Follower

HAS_HARVESTERS = find_spec("harvesters") is not None and find_spec("genicam") is not None
WHY_MISSING = "harvesters is not installed: pip install '.[genicam]'"


@dataclass
class Part:
    """As harvesters gives an image: rows one after another."""

    data_format: str
    data: np.ndarray
    width: int = 4
    height: int = 2


def flat(dtype: type = np.uint8, channels: int = 1) -> np.ndarray:
    return np.arange(8 * channels).astype(dtype)


@pytest.mark.parametrize(("form", "dtype"), [("Mono8", np.uint8), ("Mono12", np.uint16), ("Mono16", np.uint16)])
def test_grey_is_kept_bit_for_bit(form: str, dtype: type) -> None:
    pixels = pixels_of(Part(form, flat(dtype)))
    assert pixels.dtype == dtype
    assert np.array_equal(pixels, flat(dtype).reshape(2, 4))


def test_red_and_blue_change_places_where_the_camera_has_red_first() -> None:
    data = flat(channels=3)
    assert np.array_equal(pixels_of(Part("BGR8", data)), data.reshape(2, 4, 3))
    assert np.array_equal(pixels_of(Part("RGB8", data)), data.reshape(2, 4, 3)[..., ::-1])


def test_transparency_is_left_out() -> None:
    data = flat(channels=4)
    assert np.array_equal(pixels_of(Part("BGRa8", data)), data.reshape(2, 4, 4)[..., :3])
    assert np.array_equal(pixels_of(Part("RGBa8", data)), data.reshape(2, 4, 4)[..., 2::-1])


@pytest.mark.parametrize("order", ["RG", "BG", "GR", "GB"])
def test_a_mosaic_of_one_colour_becomes_this_colour(order: str) -> None:
    """A red part, seen through the filters in the order that GenICam names: first row's first two pixels."""
    rows = {"RG": ("RG", "GB"), "BG": ("BG", "GR"), "GR": ("GR", "BG"), "GB": ("GB", "RG")}[order]
    value = {"R": 200, "G": 100, "B": 50}
    tile = np.array([[value[letter] for letter in row] for row in rows], np.uint8)
    mosaic = np.tile(tile, (8, 8))
    pixels = pixels_of(Part(f"Bayer{order}8", mosaic.ravel(), width=16, height=16))
    assert pixels[8, 8].tolist() == [50, 100, 200]


@pytest.mark.parametrize("form", ["Mono12p", "Mono12Packed", "YUV422_8", "BayerRG12p"])
def test_other_formats_are_refused_with_those_that_are_read(form: str) -> None:
    with pytest.raises(CameraAwayError, match=f"{form} is not read; set PixelFormat to"):
        pixels_of(Part(form, flat()))


def test_the_picture_does_not_change_when_the_camera_uses_its_buffer_again() -> None:
    data = flat()
    pixels = pixels_of(Part("Mono8", data))
    data[:] = 0
    assert pixels.any()
    assert cv2.imencode(".png", pixels)[0]


@pytest.fixture
def viky() -> Path:
    if not HAS_HARVESTERS:
        pytest.skip(WHY_MISSING)
    spec = find_spec("genicam")
    assert spec is not None
    assert spec.origin is not None
    producer = Path(spec.origin).with_name("viky.cti")
    if not producer.exists():
        pytest.skip("this version of genicam comes without its producer Viky")
    return producer


def test_pictures_of_a_real_producer_come_and_are_different(viky: Path) -> None:
    with Follower("viky", genicam_camera(viky, 0, load_harvester())) as follower:
        first = follower.newest.taken_after(0, 60.0)
        assert first is not None
        second = follower.newest.taken_after(first.capture_ns + 1, 60.0)
        assert second is not None
    assert first.pixels.shape == second.pixels.shape
    assert first.pixels.size > 1000


def test_a_camera_that_the_producer_does_not_know_is_away(viky: Path) -> None:
    with pytest.raises(CameraAwayError, match="found"):
        genicam_camera(viky, {"serial_number": "none"}, load_harvester())()
