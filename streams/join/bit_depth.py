"""Scales the pixels of a camera of 10, 12 or 14 bits, aligned to the low end of 16 bits, to full scale.

A camera that shifts its bits to the top (value << 4) uses 16 bits: it needs no bit depth, or 16.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from protos.inspection.v1.records_pb2 import DeadLetterReason
from streams.decode.limits import RecordError
from streams.join.assembly import BitDepth, CameraSpec
from streams.observation import Image

_FULL_SCALE = 65_535


def to_full_scale(image: Image, bit_depth: BitDepth | None) -> Image:
    """The image with 2**bit_depth - 1 at the full scale of its type: uint8 for 8 bits, else uint16, rounded.

    None leaves it unchanged. Raises RecordError for pixels that exceed this bit depth.
    """
    if bit_depth is None or bit_depth == 8 * image.itemsize:
        return image
    if image.itemsize == 1:
        raise _wrong_format(
            f"the image has 8 bits per value, but bit_depth says {bit_depth} bits in 16: "
            "send 16-bit pixels, or correct bit_depth"
        )
    highest = 2**bit_depth - 1
    brightest = int(image.max(initial=0))
    if brightest > highest:
        raise _wrong_format(
            f"a pixel is {brightest}, expected at most {highest} for bit_depth = {bit_depth}: correct bit_depth "
            "(pixels that are shifted up to fill 16 bits have bit_depth = 16)"
        )
    if bit_depth == 8:
        return image.astype(np.uint8)
    return _scale(bit_depth)[image]


def scaled(image: Image, camera: CameraSpec) -> Image:
    """The image of a camera as experts receive it. Raises a RecordError that names the camera."""
    try:
        return to_full_scale(image, camera.bit_depth)
    except RecordError as error:
        raise RecordError(error.reason, f"camera {camera.name}: {error.detail}") from error


@cache
def _scale(bit_depth: BitDepth) -> NDArray[np.uint16]:
    """Lookup table from pixel value to full scale."""
    highest = 2**bit_depth - 1
    values = np.arange(highest + 1, dtype=np.uint32)
    scaled: NDArray[np.uint32] = (values * _FULL_SCALE + highest // 2) // highest
    return scaled.astype(np.uint16)


def _wrong_format(detail: str) -> RecordError:
    return RecordError(DeadLetterReason.DEAD_LETTER_REASON_WRONG_FORMAT, detail)
