"""Evidence in the coordinates of the camera's picture, where experts looked at an aligned part of it."""

import math
from functools import partial

import cv2
import numpy as np

from inspector.engines.engine import Array
from inspector.framing.placement import Map, Placement
from inspector.judging.evidence import HEAT_MAP_PX, MAX_PNG_BYTES, Box, Picture, boxes, image_evidence
from protos.inspection.v1.verdict_pb2 import ImageEvidence, ImageRegion


def framed_evidence(picture: Picture, relevance: Array, placement: Placement | None) -> ImageEvidence:
    """Heat map and regions; nothing outside of the region that is judged."""
    if placement is None:
        return image_evidence(picture, relevance)
    inside = placement.inside_of(relevance.shape)
    flat = np.where(inside, relevance, np.median(relevance[inside])).astype(np.float32)
    regions = [_region(box, relevance.shape, picture, placement) for box in boxes(flat)]
    draw = partial(_heat_map, relevance.astype(np.float32), picture, placement)
    side_px, png = HEAT_MAP_PX, draw(HEAT_MAP_PX)
    while len(png) > MAX_PNG_BYTES:
        side_px //= 2
        png = draw(side_px)
    return ImageEvidence(camera=picture.camera, regions=[r for r in regions if r.width_px], heat_map_png=png)


def _heat_map(relevance: Map, picture: Picture, placement: Placement, side_px: int) -> bytes:
    """Of the whole picture, in its proportions; peaks smaller than a pixel of the map are kept."""
    scale = min(1.0, side_px / max(picture.width_px, picture.height_px))
    size = max(1, round(picture.width_px * scale)), max(1, round(picture.height_px * scale))
    whole = placement.over_picture(_peaks(relevance, placement, scale), (picture.width_px, picture.height_px), size)
    grey = np.round(np.clip(whole, 0, 1) * 255).astype(np.uint8)
    return cv2.imencode(".png", grey)[1].tobytes()


def _peaks(relevance: Map, placement: Placement, scale: float) -> Map:
    """Spread by as many cells as fall on one pixel of the map."""
    rows, cols = relevance.shape
    down, across = rows / (placement.height_px * scale), cols / (placement.width_px * scale)
    cells = math.ceil(down), math.ceil(across)
    return relevance if max(cells) <= 1 else np.asarray(cv2.dilate(relevance, np.ones(cells, np.uint8)), np.float32)


def _region(box: Box, shape: tuple[int, ...], picture: Picture, placement: Placement) -> ImageRegion:
    """The upright box around the cells, rounded outwards and cut to the picture."""
    x, y = placement.width_px / shape[1], placement.height_px / shape[0]
    corners = placement.corners(box.left * x, box.top * y, box.right * x, box.bottom * y)
    size = np.array([picture.width_px, picture.height_px])
    # One millionth of a pixel is what rounding of the map may add.
    first = np.clip(np.floor(corners.min(0) + 1e-6), 0, size).astype(int)
    last = np.clip(np.ceil(corners.max(0) - 1e-6), 0, size).astype(int)
    width, height = (int(side) for side in last - first)
    if min(width, height) == 0:
        return ImageRegion()
    return ImageRegion(x_px=int(first[0]), y_px=int(first[1]), width_px=width, height_px=height, strength=box.strength)
