"""Turns rows of raw pixels, as industrial cameras send them, into grey or blue-green-red images.

The names are those of GenICam's pixel formats (PFNC) where it has one. Values of 10 and 12 bits stay low in 16 bits:
the camera's bit depth scales them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from protos.inspection.v1.records_pb2 import PixelFormat
from streams.decode.image_headers import Header
from streams.observation import Image

Bytes = NDArray[np.uint8]
_Convert = Callable[[Bytes, int, int], Image]
"""From bytes, width and height in pixels."""


@dataclass(frozen=True, slots=True)
class RawFormat:
    """How one format lies in memory, and what it becomes."""

    num_bits: int
    """Of one pixel, all channels together, on average."""
    channels: int
    """Of the image."""
    bytes_per_value: int
    """Of the image."""
    convert: _Convert
    multiple: tuple[int, int] = (1, 1)
    """Width and height are multiples of these."""
    least_px: int = 1
    """Of each side."""

    def num_bytes(self, width_px: int, height_px: int) -> int:
        """Of an image without padding; packed pixels go on from one row to the next."""
        return -(-width_px * height_px * self.num_bits // 8)

    def header(self, width_px: int, height_px: int) -> Header:
        return Header(width_px, height_px, self.channels, self.bytes_per_value)


def _mono8(data: Bytes, width: int, height: int) -> Image:
    return data.reshape(height, width)


def _mono16(data: Bytes, width: int, height: int) -> Image:
    return data.view("<u2").reshape(height, width)


def _bgr8(data: Bytes, width: int, height: int) -> Image:
    return data.reshape(height, width, 3)


def _converted(code: int, rows: Callable[[int, int], tuple[int, ...]], *, wide: bool = False) -> _Convert:
    """By OpenCV, which reads an array of the shape that `rows` gives for width and height."""

    def convert(data: Bytes, width: int, height: int) -> Image:
        values = data.view("<u2").astype(np.uint16, copy=False) if wide else data
        return cast(Image, cv2.cvtColor(values.reshape(rows(width, height)), code))

    return convert


def _pixels(channels: int) -> Callable[[int, int], tuple[int, ...]]:
    return lambda width, height: (height, width, channels)


def _plane(width: int, height: int) -> tuple[int, ...]:
    return (height, width)


def _planes(width: int, height: int) -> tuple[int, ...]:
    """Brightness, then colour at half the resolution."""
    return (height * 3 // 2, width)


def _bits10(data: Bytes, width: int, height: int) -> Image:
    """Mono10p: 4 pixels in 5 bytes, the lowest bits first."""
    return _from_bits(data, 10, width, height)


def _bits12(data: Bytes, width: int, height: int) -> Image:
    """Mono12p: 2 pixels in 3 bytes, the lowest bits first."""
    return _from_bits(data, 12, width, height)


def _from_bits(data: Bytes, num_bits: int, width: int, height: int) -> Image:
    """Groups of pixels fill whole bytes; the last group may be cut."""
    group_bytes, group_pixels = (5, 4) if num_bits == 10 else (3, 2)
    groups = np.zeros((-(-len(data) // group_bytes), group_bytes), np.uint64)
    groups.reshape(-1)[: len(data)] = data
    words = (groups << (8 * np.arange(group_bytes, dtype=np.uint64))).sum(axis=1, dtype=np.uint64)
    shifts = num_bits * np.arange(group_pixels, dtype=np.uint64)
    values = (words[:, None] >> shifts) & np.uint64(2**num_bits - 1)
    image: NDArray[np.uint16] = values.astype(np.uint16).reshape(-1)[: width * height].reshape(height, width)
    return image


def _gige10(data: Bytes, width: int, height: int) -> Image:
    """Mono10Packed of GigE Vision: the low 2 bits of both in bits 0 and 1, 4 and 5 of the byte between."""
    return _from_pairs(data, 2, width, height)


def _gige12(data: Bytes, width: int, height: int) -> Image:
    """Mono12Packed of GigE Vision: the high 8 bits of two pixels around a byte with the low 4 of both."""
    return _from_pairs(data, 4, width, height)


def _from_pairs(data: Bytes, num_low: int, width: int, height: int) -> Image:
    """`num_low`: bits of each pixel in the byte between."""
    groups = np.zeros((-(-len(data) // 3), 3), np.uint16)
    groups.reshape(-1)[: len(data)] = data
    first, low, second = groups.T
    mask = 2**num_low - 1
    pairs = np.stack([(first << num_low) | (low & mask), (second << num_low) | ((low >> 4) & mask)], axis=1)
    image: NDArray[np.uint16] = pairs.reshape(-1)[: width * height].reshape(height, width)
    return image


def _bayer(code: int, *, wide: bool = False) -> RawFormat:
    return RawFormat(16 if wide else 8, 3, 2 if wide else 1, _converted(code, _plane, wide=wide), (2, 2), 4)


RAW: Mapping[int, RawFormat] = {
    PixelFormat.PIXEL_FORMAT_MONO8: RawFormat(8, 1, 1, _mono8),
    PixelFormat.PIXEL_FORMAT_MONO16: RawFormat(16, 1, 2, _mono16),
    PixelFormat.PIXEL_FORMAT_MONO10P: RawFormat(10, 1, 2, _bits10),
    PixelFormat.PIXEL_FORMAT_MONO12P: RawFormat(12, 1, 2, _bits12),
    PixelFormat.PIXEL_FORMAT_MONO10_PACKED: RawFormat(12, 1, 2, _gige10),
    PixelFormat.PIXEL_FORMAT_MONO12_PACKED: RawFormat(12, 1, 2, _gige12),
    PixelFormat.PIXEL_FORMAT_BGR8: RawFormat(24, 3, 1, _bgr8),
    PixelFormat.PIXEL_FORMAT_RGB8: RawFormat(24, 3, 1, _converted(cv2.COLOR_RGB2BGR, _pixels(3))),
    PixelFormat.PIXEL_FORMAT_BGRA8: RawFormat(32, 3, 1, _converted(cv2.COLOR_BGRA2BGR, _pixels(4))),
    PixelFormat.PIXEL_FORMAT_RGBA8: RawFormat(32, 3, 1, _converted(cv2.COLOR_RGBA2BGR, _pixels(4))),
    PixelFormat.PIXEL_FORMAT_BAYER_RG8: _bayer(cv2.COLOR_BayerRGGB2BGR),
    PixelFormat.PIXEL_FORMAT_BAYER_GR8: _bayer(cv2.COLOR_BayerGRBG2BGR),
    PixelFormat.PIXEL_FORMAT_BAYER_GB8: _bayer(cv2.COLOR_BayerGBRG2BGR),
    PixelFormat.PIXEL_FORMAT_BAYER_BG8: _bayer(cv2.COLOR_BayerBGGR2BGR),
    PixelFormat.PIXEL_FORMAT_BAYER_RG16: _bayer(cv2.COLOR_BayerRGGB2BGR, wide=True),
    PixelFormat.PIXEL_FORMAT_BAYER_GR16: _bayer(cv2.COLOR_BayerGRBG2BGR, wide=True),
    PixelFormat.PIXEL_FORMAT_BAYER_GB16: _bayer(cv2.COLOR_BayerGBRG2BGR, wide=True),
    PixelFormat.PIXEL_FORMAT_BAYER_BG16: _bayer(cv2.COLOR_BayerBGGR2BGR, wide=True),
    PixelFormat.PIXEL_FORMAT_UYVY: RawFormat(16, 3, 1, _converted(cv2.COLOR_YUV2BGR_UYVY, _pixels(2)), (2, 1)),
    PixelFormat.PIXEL_FORMAT_YUYV: RawFormat(16, 3, 1, _converted(cv2.COLOR_YUV2BGR_YUY2, _pixels(2)), (2, 1)),
    PixelFormat.PIXEL_FORMAT_NV12: RawFormat(12, 3, 1, _converted(cv2.COLOR_YUV2BGR_NV12, _planes), (2, 2)),
    PixelFormat.PIXEL_FORMAT_I420: RawFormat(12, 3, 1, _converted(cv2.COLOR_YUV2BGR_I420, _planes), (2, 2)),
}
