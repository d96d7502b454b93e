"""Draws boxes and polygons as masks."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.dataset.importing.items import Mask

WHITE = 255


def blank(size: tuple[int, int]) -> Mask:
    """`size`: height and width in pixels."""
    return np.zeros(size, np.uint8)


def draw_box(mask: Mask, left: float, top: float, right: float, bottom: float) -> None:
    """Coordinates in pixels, of the edges; a box has at least one pixel."""
    height, width = mask.shape
    x, y = (int(np.clip(np.floor(value), 0, most - 1)) for value, most in ((left, width), (top, height)))
    x_end, y_end = (int(np.clip(np.ceil(value), 1, most)) for value, most in ((right, width), (bottom, height)))
    mask[y : max(y_end, y + 1), x : max(x_end, x + 1)] = WHITE


def draw_polygon(mask: Mask, points: Sequence[tuple[float, float]]) -> None:
    """Points (x, y) in pixels."""
    height, width = mask.shape
    corners = np.clip(np.asarray(points, np.float64), 0, (width - 1, height - 1)).round().astype(np.int32)
    cv2.fillPoly(mask, [corners], WHITE)


def draw_runs(mask: Mask, runs: Sequence[int]) -> None:
    """COCO's run lengths: column by column, of background and defect by turns. Raises ValueError."""
    if any(run < 0 for run in runs) or sum(runs) != mask.size:
        raise ValueError(f"runs of {sum(runs)} pixels, expected {mask.size}")
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    drawn: NDArray[np.bool_] = flat.reshape(mask.shape, order="F")
    mask[drawn] = WHITE
