"""The smallest defect that a bundle sees, in pixels of the camera; and the tiles by which a smaller one is seen.

A square defect whose side covers two pixels of the network keeps its full contrast in one of them, wherever it falls on
their grid; one that covers three keeps it in four at least, which a network tells from the noise of one pixel.
"""

import math
from typing import NamedTuple

from inspector.bundle.schema import MAX_NETWORK_PX, Bundle, ImageInput
from inspector.framing.framer import Framer
from inspector.framing.tables import TilesTable

NETWORK_PX = 3
"""Side of the smallest visible defect, in pixels of the network."""
LARGE_PX = 24.0
"""A smallest visible defect above it deserves a remark: of a picture shrunk to 320 px, it is one of 2560."""
TILE_PX, MAX_TILES = 512, 16
_STEP_PX = 32
"""Strides of the usual networks divide it."""


class Visible(NamedTuple):
    side_px: float
    """Side of the smallest visible defect, in pixels of the camera."""
    picture_px: tuple[int, int]
    """Width and height of the part that is judged."""
    expert: str
    """The one that sees it."""


class Tiling(NamedTuple):
    rows: int
    cols: int
    height_px: int
    """Of one tile."""
    width_px: int


class TilingError(ValueError):
    """More pixels than a network can take; the message says which defect is possible."""


def smallest_defect(bundle: Bundle, camera: str) -> Visible | None:
    """By the expert with the finest view; None where the size of the camera's pictures is not known."""
    size = judged_px(bundle, camera)
    if size is None:
        return None
    sides = [
        (side_px(size, expert.input), expert.name)
        for expert in bundle.experts
        if expert.modality == camera and isinstance(expert.input, ImageInput)
    ]
    return None if not sides else Visible(min(sides)[0], size, min(sides)[1])


def judged_px(bundle: Bundle, camera: str) -> tuple[int, int] | None:
    """Width and height of the part of its pictures that is judged; of several sizes in training, the largest."""
    modality = next((m for m in bundle.modalities if m.name == camera), None)
    if modality is None:
        return None
    if modality.framing is not None:
        return Framer(modality.framing).size_px
    known = None if modality.plausibility is None else modality.plausibility.picture
    if known is None or known.width_px.high is None or known.height_px.high is None:
        return None
    return round(known.width_px.high), round(known.height_px.high)


def side_px(size_px: tuple[int, int], form: ImageInput) -> float:
    """Side of the smallest visible defect for one form of input."""
    return visible_px(size_px, (form.cols * form.tile_width_px, form.rows * form.tile_height_px))


def visible_px(size_px: tuple[int, int], network_px: tuple[int, int]) -> float:
    """Both are width and height; an enlarged picture shows no more than it has."""
    return NETWORK_PX * max(1.0, *(side / seen for side, seen in zip(size_px, network_px, strict=True)))


def tiling(size_px: tuple[int, int], table: TilesTable) -> Tiling:
    """Tiles for pictures of this width and height. Raises TilingError."""
    if table.rows is not None and table.cols is not None:
        return _bounded(Tiling(table.rows, table.cols, table.side_px, table.side_px), size_px)
    share = NETWORK_PX / (table.smallest_defect_px or NETWORK_PX)
    (cols, width), (rows, height) = (_tiles(side * share) for side in size_px)
    return _bounded(Tiling(rows, cols, height, width), size_px)


def _tiles(network_px: float) -> tuple[int, int]:
    """Number of tiles along one side, and their side."""
    number = min(MAX_TILES, math.ceil(network_px / TILE_PX))
    return number, _STEP_PX * math.ceil(network_px / number / _STEP_PX)


def _bounded(tiles: Tiling, size_px: tuple[int, int]) -> Tiling:
    network_px = tiles.rows * tiles.cols * tiles.height_px * tiles.width_px
    if network_px > MAX_NETWORK_PX:
        possible = NETWORK_PX * math.sqrt(size_px[0] * size_px[1] / MAX_NETWORK_PX)
        raise TilingError(
            f"{tiles.rows} x {tiles.cols} tiles of {tiles.width_px} x {tiles.height_px} px have {network_px} pixels, "
            f"more than {MAX_NETWORK_PX}; ask for a defect of {math.ceil(1.2 * possible)} px or more, or draw a "
            "smaller region"
        )
    return tiles
