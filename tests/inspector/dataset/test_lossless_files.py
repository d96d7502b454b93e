"""Files of recordings hold recordings exactly, and files that do not are refused before they take memory."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from inspector.dataset.lossless_files import LosslessFileError, clip_file, image_file, read_clip, read_image
from streams.decode.limits import Limits

LIMITS = Limits()
RANDOM = np.random.default_rng(5)
Samples = NDArray[np.float32]


def whole(num_samples: int, num_channels: int) -> Samples:
    """As 16-bit WAV files are read, both ends of the range among them."""
    steps = RANDOM.integers(-32768, 32768, (num_samples, num_channels))
    steps.flat[:2] = (-32768, 32767)
    return (steps.astype(np.int16) / np.float32(32768)).astype(np.float32)


def uneven(num_samples: int, num_channels: int) -> Samples:
    return RANDOM.normal(size=(num_samples, num_channels)).astype(np.float32)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (7, 5, 3), (120, 160, 3)])
def test_an_image_comes_back_exactly(shape: tuple[int, ...], dtype: type[np.uint8 | np.uint16]) -> None:
    image = RANDOM.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    suffix, content = image_file(image, LIMITS)
    decoded = read_image("a.png", content, LIMITS)
    assert (suffix, decoded.dtype, decoded.shape) == (".png", image.dtype, image.shape)
    assert decoded.tobytes() == image.tobytes()


@pytest.mark.parametrize(
    ("samples", "rate_hz", "suffix"),
    [
        (whole(1, 2), 16_000.0, ".flac"),
        (whole(4000, 1), 16_000.0, ".flac"),
        (whole(700, 8), 1.0, ".flac"),
        (whole(700, 9), 16_000.0, ".npy"),
        (whole(700, 1), 1000.5, ".npy"),
        (whole(700, 1), 1_000_000.0, ".npy"),
        (uneven(700, 3), 16_000.0, ".npy"),
        (np.array([[1.0], [0.5]], np.float32), 100.0, ".npy"),
        (np.array([[-0.0], [0.5]], np.float32), 100.0, ".npy"),
        (np.array([[np.nan], [np.inf]], np.float32), 100.0, ".npy"),
        (np.zeros((0, 1), np.float32), 100.0, ".npy"),
    ],
)
def test_a_clip_comes_back_exactly_whatever_holds_it(samples: Samples, rate_hz: float, suffix: str) -> None:
    actual, content = clip_file(samples, rate_hz, LIMITS)
    again = read_clip(f"a{actual}", content, LIMITS)
    assert actual == suffix
    assert (again.dtype, again.shape, again.tobytes()) == (samples.dtype, samples.shape, samples.tobytes())


def huge_png() -> bytes:
    """A whole PNG that says 10,000 x 10,000 px of a few bytes."""
    _, data = cv2.imencode(".png", np.zeros((4, 4), np.uint8))
    content = bytearray(data.tobytes())
    struct.pack_into(">II", content, 16, 10_000, 10_000)
    struct.pack_into(">I", content, 29, zlib.crc32(content[12:29]))
    return bytes(content)


PNG = image_file(RANDOM.integers(0, 255, (40, 40), np.uint8), LIMITS)[1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (huge_png(), "10000 x 10000 px"),
        (PNG[: len(PNG) // 2], "the PNG ends"),
        (PNG[:-12], "has no end"),
        (PNG[:60] + bytes([PNG[60] ^ 1]) + PNG[61:], "fails its CRC"),
        (b"", "expected a PNG signature"),
    ],
)
def test_a_damaged_or_huge_image_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(LosslessFileError, match=message):
        read_image("a.png", content, LIMITS)


def flac(num_samples: int) -> bytes:
    return clip_file(whole(num_samples, 1), 16_000.0, LIMITS)[1]


def wav() -> bytes:
    file = io.BytesIO()
    soundfile.write(file, whole(10, 1), 100, format="WAV", subtype="PCM_16")
    return file.getvalue()


def declaring(num_samples: int) -> bytes:
    """A FLAC file whose header counts this many samples, of 36 bits."""
    content = bytearray(flac(4000))
    content[21] = (content[21] & 0xF0) | (num_samples >> 32)
    struct.pack_into(">I", content, 22, num_samples & 0xFFFFFFFF)
    return bytes(content)


def pickled() -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([[{}]], dtype=object), allow_pickle=True)
    return file.getvalue()


NPY = clip_file(uneven(5, 2), 100.0, LIMITS)[1]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.flac", flac(4000)[:3000], "no whole FLAC file|samples of the 4000 declared"),
        ("a.flac", declaring(2**36 - 1), "declares 68719476735 samples"),
        ("a.flac", declaring(4001), "no whole FLAC file|samples of the 4001 declared"),
        ("a.flac", b"", "no whole FLAC file"),
        ("a.flac", wav(), "is WAV PCM_16, expected FLAC"),
        ("a.npy", NPY[:-1], "are not the .* samples declared"),
        ("a.npy", NPY.replace(b"(5, 2), ", b"(5, 64),"), "no NumPy file of float32 rows"),
        ("a.npy", NPY.replace(b"(5, 2), } ", b"(50, 2), }"), "are not the .* samples declared"),
        ("a.npy", NPY.replace(b"(5, 2), }      ", b"(9999999, 2), }"), "declares 9999999 samples"),
        ("a.npy", pickled(), "no NumPy file of float32 rows"),
        ("a.wav", wav(), "is a .flac or .npy file"),
    ],
)
def test_a_damaged_or_huge_clip_is_refused(name: str, content: bytes, message: str) -> None:
    with pytest.raises(LosslessFileError, match=message):
        read_clip(name, content, LIMITS)


def test_what_the_line_would_refuse_is_not_stored() -> None:
    with pytest.raises(LosslessFileError, match="declares 20 samples of 1 channels, expected at most 10"):
        clip_file(whole(20, 1), 100.0, Limits(max_samples=10))
