"""Polygons and mask images as one mask of the region that is judged."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.bundle.framing import Framing, Point
from inspector.framing.png import Grey, grey_picture

_BITS = 4
"""Polygon corners count in sixteenths of a pixel."""


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
    """Corners are points of the picture: (0, 0) is the corner of its first pixel, whose middle is (0.5, 0.5)."""
    mask = np.zeros(shape, np.uint8)
    for polygon in region:
        corners = np.round((np.asarray(polygon, np.float64) - 0.5) * 2**_BITS).astype(np.int32)
        cv2.fillPoly(mask, [corners], 255, shift=_BITS)
    return mask


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
