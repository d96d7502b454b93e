"""Erases from a recording the place that its evidence names, or another of equal size.

A hole in an image is filled from its surroundings, a hole in a signal from a good recording, so that the hole itself
does not look like a defect: a band of silence is the most unusual of all.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

from encoders.front_end import Image
from inspector.engines.engine import Array
from inspector.judging.evidence import Box
from protos.inspection.v1.verdict_pb2 import ImageRegion, SignalEvidence

Samples = NDArray[np.float32]

FILTER_ORDER = 4
RAMP_S = 0.0005
"""A filtered stretch is faded in and out: a step would be heard as a click."""
LOWEST_HZ = 10.0
INPAINT_RADIUS_PX = 3


def elsewhere(box: Box, shape: Sequence[int], num: int, rng: np.random.Generator) -> list[Box]:
    """Up to `num` boxes of equal size that share no cell with this one; none where it leaves no room."""
    height, width = box.bottom - box.top, box.right - box.left
    free = [
        Box(top, left, top + height, left + width, box.strength)
        for top in range(shape[0] - height + 1)
        for left in range(shape[1] - width + 1)
        if abs(top - box.top) >= height or abs(left - box.left) >= width
    ]
    return [free[index] for index in rng.permutation(len(free))[:num]]


def map_of(box: Box, shape: Sequence[int]) -> Array:
    """The relevance map of which this box is the evidence."""
    relevance = np.zeros(tuple(shape), np.float32)
    relevance[box.top : box.bottom, box.left : box.right] = 1
    return relevance


def inpainted(image: Image, region: ImageRegion) -> Image:
    """The region filled from its rim (Bertalmio et al. 2001, which leaves a flat surrounding flat)."""
    hole = np.zeros(image.shape[:2], np.uint8)
    hole[region.y_px : region.y_px + region.height_px, region.x_px : region.x_px + region.width_px] = 1
    filled = cv2.inpaint(image, hole, INPAINT_RADIUS_PX, cv2.INPAINT_NS)
    return np.asarray(filled, np.uint8) if image.dtype == np.uint8 else np.asarray(filled, np.uint16)


def exchanged(samples: Samples, good: Samples, sample_rate_hz: float, place: SignalEvidence) -> Samples:
    """The band during the stretch as a good recording has it, as loud as this one; without frequencies, all of it."""
    time_s = (np.arange(len(samples)) + 0.5) / sample_rate_hz
    difference = _cut(good, len(samples)).astype(np.float64) - samples
    if place.high_hz:
        difference = _band(_as_loud(good, samples) - samples, sample_rate_hz, place)
    ramp_s = RAMP_S if place.high_hz else 1 / sample_rate_hz
    inside = np.minimum(time_s - place.start_s, place.end_s - time_s) / ramp_s + 0.5
    return np.asarray(samples + difference * inside.clip(0, 1)[:, None], np.float32)


def _cut(samples: Samples, num: int) -> Samples:
    """A shorter recording ends as it ended."""
    return samples[np.minimum(np.arange(num), len(samples) - 1)]


def _as_loud(good: Samples, samples: Samples) -> NDArray[np.float64]:
    replacement = _cut(good, len(samples)).astype(np.float64)
    power, replacement_power = (float(np.square(values, dtype=np.float64).mean()) for values in (samples, replacement))
    return np.asarray(replacement * np.sqrt(power / max(replacement_power, 1e-20)), np.float64)


def _band(difference: NDArray[np.float64], sample_rate_hz: float, place: SignalEvidence) -> NDArray[np.float64]:
    band_hz = max(place.low_hz, LOWEST_HZ), min(place.high_hz, 0.499 * sample_rate_hz)
    kept = butter(FILTER_ORDER, band_hz, "bandpass", fs=sample_rate_hz, output="sos")
    return np.asarray(sosfiltfilt(kept, difference, axis=0), np.float64)
