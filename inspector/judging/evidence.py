"""Turns an expert's relevance into evidence for people: heat map, regions, a stretch of time and frequency.

Relevance is (H, W), 0 to 1: rows by columns of the image, or frequencies (low first) by time.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.bundle.schema import SignalInput
from inspector.engines.engine import Array
from protos.inspection.v1.verdict_pb2 import ImageEvidence, ImageRegion, SignalEvidence

MAX_REGIONS = 5
MAX_PNG_BYTES = 64 * 1024
HEAT_MAP_PX = 256
"""Longest side of a heat map."""
MIN_STRENGTH = 0.05
"""Below this a peak is noise and marks no region."""
REGION_SHARE = 0.5
"""A region is where the log-odds of relevance are this far from the map's median to its peak. By half of the peak's
relevance itself, which ends at 1, a strong map was one region: in two of three recordings it filled the map."""
LOWEST = 1e-6
"""Relevance this close to 0 or 1 is as good as that."""


class Box(NamedTuple):
    """Cells of a relevance map that hang together; the end is outside."""

    top: int
    left: int
    bottom: int
    right: int
    strength: float


class Picture(NamedTuple):
    """Which image a heat map lies over."""

    camera: str
    width_px: int
    height_px: int


def image_evidence(picture: Picture, relevance: Array) -> ImageEvidence:
    """Heat map and regions, in pixels of the image as it was captured."""
    png = heat_map(relevance, picture.width_px, picture.height_px, HEAT_MAP_PX)
    side_px = HEAT_MAP_PX
    while len(png) > MAX_PNG_BYTES:
        side_px //= 2
        png = heat_map(relevance, picture.width_px, picture.height_px, side_px)
    regions = [_region(box, relevance, picture) for box in boxes(relevance)]
    return ImageEvidence(camera=picture.camera, regions=regions, heat_map_png=png)


def heat_map(relevance: Array, width_px: int, height_px: int, side_px: int) -> bytes:
    """An 8-bit grey PNG in the proportions of the image, its longer side at most `side_px`; white is relevance 1."""
    scale = min(1.0, side_px / max(width_px, height_px))
    size = max(1, round(width_px * scale)), max(1, round(height_px * scale))
    grey = np.round(np.clip(relevance, 0, 1) * 255).astype(np.uint8)
    _, data = cv2.imencode(".png", cv2.resize(grey, size, interpolation=cv2.INTER_LINEAR))
    return data.tobytes()


def boxes(relevance: Array) -> list[Box]:
    """The strongest stretches of the map, strongest first."""
    peak = float(relevance.max())
    if peak < MIN_STRENGTH:
        return []
    log_odds = _log_odds(relevance)
    limit = REGION_SHARE * log_odds.max() + (1 - REGION_SHARE) * np.median(log_odds)
    mask = (log_odds >= limit).astype(np.uint8)
    num, *maps, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    labels, stats = (np.asarray(values, np.int32) for values in maps)
    regions = [_box(relevance, labels, stats, label) for label in range(1, num)]
    return sorted(regions, key=lambda box: (-box.strength, box.top, box.left))[:MAX_REGIONS]


def _log_odds(relevance: Array) -> NDArray[np.float64]:
    share = np.clip(relevance.astype(np.float64), LOWEST, 1 - LOWEST)
    return np.log(share) - np.log1p(-share)


def _box(relevance: Array, labels: NDArray[np.int32], stats: NDArray[np.int32], label: int) -> Box:
    left, top, width, height = (int(value) for value in stats[label][:4])
    inside = labels[top : top + height, left : left + width] == label
    strength = float(relevance[top : top + height, left : left + width][inside].max())
    return Box(top, left, top + height, left + width, min(strength, 1.0))


def _region(box: Box, relevance: Array, picture: Picture) -> ImageRegion:
    """Rounded outwards, so that the region holds all of its cells."""
    rows, cols = relevance.shape
    left, right = box.left * picture.width_px // cols, -(-box.right * picture.width_px // cols)
    top, bottom = box.top * picture.height_px // rows, -(-box.bottom * picture.height_px // rows)
    return ImageRegion(x_px=left, y_px=top, width_px=right - left, height_px=bottom - top, strength=box.strength)


def signal_evidence(sensor: str, relevance: Array, form: SignalInput) -> SignalEvidence | None:
    """The strongest stretch of the clip; None where nothing stands out."""
    regions = boxes(relevance)
    if not regions:
        return None
    box, (rows, cols) = regions[0], relevance.shape
    duration_s = form.num_samples / form.sample_rate_hz
    evidence = SignalEvidence(
        sensor=sensor,
        start_s=box.left / cols * duration_s,
        end_s=box.right / cols * duration_s,
        strength=box.strength,
    )
    if rows > 1 and form.min_hz is not None and form.max_hz is not None:
        edges_hz = mel_edges_hz(form.min_hz, form.max_hz, rows)
        evidence.low_hz, evidence.high_hz = float(edges_hz[box.top]), float(edges_hz[box.bottom])
    return evidence


def mel_edges_hz(min_hz: float, max_hz: float, num: int) -> NDArray[np.float64]:
    """The `num` + 1 edges of bands of equal width in mel (Slaney's scale: linear below 1 kHz, then logarithmic)."""
    step = np.log(6.4) / 27

    def to_mel(hz: float) -> float:
        return hz * 3 / 200 if hz < 1000 else 15 + float(np.log(hz / 1000)) / step

    mels = np.linspace(to_mel(min_hz), to_mel(max_hz), num + 1)
    return np.where(mels < 15, mels * 200 / 3, 1000 * np.exp(step * (mels - 15)))
