"""Where a framed picture lies in the camera's picture, and maps and boxes carried back there.

An affine map takes pixel indices: the middle of the upper left pixel is (0, 0).
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Affine = NDArray[np.float64]
"""(2, 3)"""
Map = NDArray[np.float32]
HALF = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """From a framed picture to the camera's."""

    to_picture: Affine
    width_px: int
    """Of the framed picture."""
    height_px: int
    inside: NDArray[np.uint8] | None = None
    """(height_px, width_px), not 0 where it is judged; None: everywhere."""

    def corners(self, left: float, top: float, right: float, bottom: float) -> NDArray[np.float64]:
        """(4, 2) edges of a box of the framed picture, as edges in the camera's picture."""
        edges = np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float64)
        return mapped(self.to_picture, edges - HALF) + HALF

    def inside_of(self, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Cells of a map of this shape over the framed picture, of which a part at least is judged."""
        if self.inside is None:
            return np.ones(shape, np.bool_)
        share = cv2.resize((self.inside > 0).astype(np.float32), (shape[1], shape[0]), interpolation=cv2.INTER_AREA)
        return np.asarray(np.asarray(share) > 0)

    def over_picture(self, relevance: Map, picture_px: tuple[int, int], size_px: tuple[int, int]) -> Map:
        """The map over the camera's whole picture (`picture_px`, width and height), drawn at `size_px`."""
        rows, cols = relevance.shape
        canvas = _scaling(size_px, picture_px)
        cells = _scaling((self.width_px, self.height_px), (cols, rows))
        to_cells = joined(cells, joined(inverse(self.to_picture), canvas))
        judged = np.where(self.inside_of(relevance.shape), relevance, np.float32(0))
        padded = cv2.copyMakeBorder(judged, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
        to_cells[:, 2] += 1
        drawn = cv2.warpAffine(padded, to_cells, size_px, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        return np.asarray(np.where(self._covered(picture_px, size_px), np.asarray(drawn), 0), np.float32)

    def _covered(self, picture_px: tuple[int, int], size_px: tuple[int, int]) -> NDArray[np.bool_]:
        inside = np.ones((self.height_px, self.width_px), np.uint8) if self.inside is None else self.inside
        to_framed = joined(inverse(self.to_picture), _scaling(size_px, picture_px))
        drawn = cv2.warpAffine(inside, to_framed, size_px, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
        return np.asarray(np.asarray(drawn) > 0)


def mapped(affine: Affine, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 2) to (N, 2)"""
    return np.asarray(points @ affine[:, :2].T + affine[:, 2], np.float64)


def joined(second: Affine, first: Affine) -> Affine:
    """`first`, then `second`."""
    return np.asarray(np.c_[second[:, :2] @ first[:, :2], second[:, :2] @ first[:, 2] + second[:, 2]], np.float64)


def inverse(affine: Affine) -> Affine:
    turned = np.linalg.inv(affine[:, :2])
    return np.asarray(np.c_[turned, -turned @ affine[:, 2]], np.float64)


def moved(x_px: float, y_px: float) -> Affine:
    return np.array([[1, 0, x_px], [0, 1, y_px]], np.float64)


def _scaling(size: tuple[int, int], to: tuple[int, int]) -> Affine:
    """From pixels of a picture of one size to those of the same picture in another size."""
    x, y = to[0] / size[0], to[1] / size[1]
    return np.array([[x, 0, x * HALF - HALF], [0, y, y * HALF - HALF]], np.float64)


def scaled(affine: Affine, scale: float) -> Affine:
    """A map between shrunk pictures as one between pictures that are `1 / scale` times as large."""
    down = np.array([[scale, 0, scale * HALF - HALF], [0, scale, scale * HALF - HALF]], np.float64)
    return joined(inverse(down), joined(affine, down))
