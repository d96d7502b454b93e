"""Raw pixel formats of industrial cameras: each gives the picture it was made of, or a sentence."""

import cv2
import numpy as np
import pytest

from protos.inspection.v1.records_pb2 import ImagePixels, PixelFormat
from streams.decode.images import decode_pixels, image_size
from streams.decode.limits import Limits, RecordError
from streams.decode.raw_pixels import RAW

RNG = np.random.default_rng(2)
LIMITS = Limits()
COLOUR = RNG.integers(0, 256, (6, 8, 3), np.uint8)
GREY12 = RNG.integers(0, 4096, (5, 7)).astype(np.uint16)


def pixels(name: str, data: bytes, width: int, height: int) -> ImagePixels:
    return ImagePixels(format=f"PIXEL_FORMAT_{name}", width_px=width, height_px=height, data=data)


def decoded(name: str, data: bytes, width: int, height: int) -> np.ndarray:
    return decode_pixels(pixels(name, data, width, height), LIMITS)


def test_orders_of_colours_give_blue_green_red() -> None:
    fourth = np.full((6, 8, 1), 7, np.uint8)
    rgb = COLOUR[..., ::-1]
    for name, values in (
        ("BGR8", COLOUR),
        ("RGB8", rgb),
        ("BGRA8", np.concatenate([COLOUR, fourth], axis=2)),
        ("RGBA8", np.concatenate([rgb, fourth], axis=2)),
    ):
        np.testing.assert_array_equal(decoded(name, values.tobytes(), 8, 6), COLOUR, err_msg=name)


def packed(values: np.ndarray, num_bits: int) -> bytes:
    """Lowest bits first, by one large number."""
    number = sum(int(value) << (num_bits * index) for index, value in enumerate(values.flat))
    return number.to_bytes(-(-values.size * num_bits // 8), "little")


@pytest.mark.parametrize(("name", "num_bits"), [("MONO10P", 10), ("MONO12P", 12)])
@pytest.mark.parametrize("shape", [(5, 7), (4, 8), (1, 1), (3, 1)])
def test_packed_grey_is_unpacked_lowest_bits_first(name: str, num_bits: int, shape: tuple[int, int]) -> None:
    values = RNG.integers(0, 2**num_bits, shape).astype(np.uint16)
    image = decoded(name, packed(values, num_bits), shape[1], shape[0])
    np.testing.assert_array_equal(image, values)
    assert image.dtype == np.uint16


@pytest.mark.parametrize(("name", "num_low"), [("MONO10_PACKED", 2), ("MONO12_PACKED", 4)])
def test_grey_of_gige_vision_has_the_low_bits_in_the_middle(name: str, num_low: int) -> None:
    values, mask = GREY12 % 2 ** (8 + num_low), 2**num_low - 1
    flat = [*map(int, values.flat), 0]
    data = b"".join(
        bytes((a >> num_low, (b & mask) << 4 | (a & mask), b >> num_low))
        for a, b in zip(flat[::2], flat[1::2], strict=True)
    )[: -(-GREY12.size * 12 // 8)]
    np.testing.assert_array_equal(decoded(name, data, 7, 5), values)


@pytest.mark.parametrize(("order", "first"), [("RG", "RG"), ("GR", "GR"), ("GB", "GB"), ("BG", "BG")])
@pytest.mark.parametrize("wide", [False, True])
def test_a_mosaic_of_one_colour_gives_that_colour(order: str, first: str, wide: bool) -> None:
    """The colours of a flat picture come out where they went in: red is no blue."""
    levels = {"R": 200, "G": 120, "B": 40}
    second = {"RG": "GB", "GR": "BG", "GB": "RG", "BG": "GR"}[first]
    tile = np.array([[levels[c] for c in first], [levels[c] for c in second]], np.uint16)
    mosaic = np.tile(tile, (4, 5)) * (16 if wide else 1)
    data = (mosaic.astype("<u2") if wide else mosaic.astype(np.uint8)).tobytes()
    image = decoded(f"BAYER_{order}{16 if wide else 8}", data, 10, 8)
    assert image.shape == (8, 10, 3)
    assert image.dtype == (np.uint16 if wide else np.uint8)
    np.testing.assert_array_equal(image[2:-2, 2:-2], np.full((4, 6, 3), (40, 120, 200)) * (16 if wide else 1))


@pytest.mark.parametrize("name", ["UYVY", "YUYV", "NV12", "I420"])
def test_brightness_and_colour_of_yuv_give_the_colour_they_came_from(name: str) -> None:
    flat = np.full((6, 8, 3), (60, 120, 200), np.uint8)
    planes = cv2.cvtColor(flat, cv2.COLOR_BGR2YUV_I420)
    y, u, v = int(planes[0, 0]), int(planes[6, 0]), int(planes[8, 0])
    data = {
        "UYVY": bytes((u, y, v, y)) * 24,
        "YUYV": bytes((y, u, y, v)) * 24,
        "NV12": bytes((y,)) * 48 + bytes((u, v)) * 12,
        "I420": planes.tobytes(),
    }[name]
    image = decoded(name, data, 8, 6)
    assert np.abs(image.astype(int) - flat).max() <= 4


@pytest.mark.parametrize("name", sorted(PixelFormat.Name(number) for number in RAW))
def test_every_format_states_its_size_before_it_is_decoded(name: str) -> None:
    raw = RAW[PixelFormat.Value(name)]
    short = name.removeprefix("PIXEL_FORMAT_")
    data = bytes(raw.num_bytes(8, 6))
    message = pixels(short, data, 8, 6)
    assert image_size(message, LIMITS) == decode_pixels(message, LIMITS).nbytes
    with pytest.raises(RecordError, match=f"{len(data) - 1} bytes of pixels, expected {len(data)} for 8 x 6 px"):
        decoded(short, data[:-1], 8, 6)
    with pytest.raises(RecordError, match="expected at most"):
        decoded(short, b"", 32_768, 32_768)
    assert image_size(pixels(short, b"", 32_768, 32_768), LIMITS) == 0


@pytest.mark.parametrize(
    ("name", "width", "height", "message"),
    [
        ("BAYER_RG8", 7, 6, "BAYER_RG8 has a width of 7 px, expected a multiple of 2"),
        ("BAYER_RG8", 2, 2, "expected a multiple of 2 from 4 on"),
        ("UYVY", 7, 6, "a width of 7 px"),
        ("NV12", 8, 5, "a height of 5 px"),
        ("RGB8", 0, 5, "expected both above 0"),
    ],
)
def test_sides_that_a_format_cannot_have_are_refused(name: str, width: int, height: int, message: str) -> None:
    with pytest.raises(RecordError, match=message):
        decoded(name, b"", width, height)
