"""Polygons and mask images as one mask of the region that is judged."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.bundle.framing import Framing, Point
from inspector.framing.png import Grey, grey_picture


def region_mask(framing: Framing) -> Grey | None:
    """(height_px, width_px), 255 where the picture is judged; None: everywhere. Raises ValueError."""
    shape = framing.height_px, framing.width_px
    if framing.mask_png is not None:
        mask = np.where(grey_picture(framing.mask_png) > 0, 255, 0).astype(np.uint8)
        if mask.shape != shape:
            raise ValueError(f"the mask has {_size(mask)} px, the camera's pictures {_named(framing)}")
    elif framing.region:
        mask = filled(framing.region, shape)
    else:
        return None
    if not mask.any():
        raise ValueError(f"the region has no pixel inside the camera's pictures of {_named(framing)} px")
    return mask


def filled(region: Sequence[Sequence[Point]], shape: tuple[int, int]) -> Grey:
    """A pixel belongs to a polygon if its middle lies inside; where polygons overlap, to both. (0, 0) is the corner of
    the first pixel, (0.5, 0.5) its middle."""
    mask = np.zeros(shape, np.uint8)
    for polygon in region:
        _fill(mask, np.asarray(polygon, np.float64))
    return mask


def _fill(mask: Grey, corners: NDArray[np.float64]) -> None:
    """Every edge toggles the pixels to its right, row by row."""
    height, width = mask.shape
    toggles = np.zeros((height, width + 1), np.uint8)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        first, last = (int(np.clip(np.ceil(y - 0.5), 0, height)) for y in sorted((y0, y1)))
        rows = np.arange(first, last)
        if len(rows):
            x = x0 + (rows + 0.5 - y0) * (x1 - x0) / (y1 - y0)
            toggles[rows, np.clip(np.ceil(x - 0.5), 0, width).astype(int)] ^= 1
    mask[np.bitwise_xor.accumulate(toggles, axis=1)[:, :-1] > 0] = 255


def bounds(mask: Grey) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of what is marked; the ends are outside."""
    left, top, width, height = cv2.boundingRect(mask)
    return left, top, left + width, top + height


def grown(mask: Grey, by_px: float) -> NDArray[np.uint8]:
    """The mask and everything within this distance of it."""
    far = cv2.distanceTransform(255 - mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(np.where(np.asarray(far) <= by_px, 255, 0), np.uint8)


def _size(mask: Grey) -> str:
    return f"{mask.shape[1]} x {mask.shape[0]}"


def _named(framing: Framing) -> str:
    return f"{framing.width_px} x {framing.height_px}"
