"""Puts faults into the recordings of a piece, as broken lamps, lenses, cables and settings would."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from streams.join.frozen import FrozenDetector
from streams.observation import Image, Observation

HUM_HZ = 50.0
SECOND_NS = 10**9

Samples = NDArray[np.float32]
ImageFault = Callable[[Image, np.random.Generator], Image]
ClipFault = Callable[[Samples, float, np.random.Generator], Samples]


def _blurred(image: Image, _: np.random.Generator) -> Image:
    """By a Gaussian of a fortieth of the longer side."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), max(image.shape) / 40), np.uint8)


def _half_covered(image: Image, rng: np.random.Generator) -> Image:
    """One of four halves in the dark, with noise."""
    height, width = image.shape[:2]
    halves = (
        (slice(0, height // 2), slice(width)),
        (slice(height // 2, height), slice(width)),
        (slice(height), slice(0, width // 2)),
        (slice(height), slice(width // 2, width)),
    )
    rows, columns = halves[rng.integers(4)]
    covered = image.copy()
    covered[rows, columns] = rng.integers(0, 8, covered[rows, columns].shape)
    return covered


def _gained(factor: float) -> ImageFault:
    return lambda image, _: np.clip(image * factor, 0, 255).astype(np.uint8)


IMAGE_FAULTS: Mapping[str, ImageFault] = {
    "black": lambda image, _: np.zeros_like(image),
    "black with noise": lambda image, rng: rng.integers(0, 8, image.shape).astype(np.uint8),
    "white": lambda image, _: np.full_like(image, 255),
    "blurred": _blurred,
    "half covered": _half_covered,
    "gain x4": _gained(4.0),
    "gain /4": _gained(0.25),
}


def _hum(samples: Samples, rate_hz: float, rng: np.random.Generator) -> Samples:
    """As strong as the signal itself."""
    time_s = np.arange(len(samples))[:, None] / rate_hz
    wave = np.sin(2 * np.pi * HUM_HZ * time_s + rng.uniform(0, 6.28))
    return np.asarray(samples + samples.std() * 2**0.5 * wave, np.float32)


def _loud(samples: Samples, factor: float) -> Samples:
    """Clipped at full scale, which is 1, as a converter does."""
    limit = 1.0 if np.abs(samples).max() <= 1 else np.inf
    return np.clip(samples * np.float32(factor), -limit, limit)


def _cut_off(samples: Samples, rate_hz: float, rng: np.random.Generator) -> Samples:
    """At three tenths of its largest deviation from the mean."""
    middle = samples.mean()
    reach = 0.3 * np.abs(samples - middle).max()
    return np.clip(samples, middle - reach, middle + reach)


CLIP_FAULTS: Mapping[str, ClipFault] = {
    "silent": lambda samples, rate_hz, rng: np.zeros_like(samples),
    "clipped": _cut_off,
    "hum": _hum,
    "gain x4": lambda samples, rate_hz, rng: _loud(samples, 4.0),
    "gain /4": lambda samples, rate_hz, rng: samples / np.float32(4),
}
OF_PIECE_BEFORE = "of the piece before"
FROZEN = "frozen"
"""The same as the line sees it, which compares recordings with those of the pieces before."""
NOTHING_PASSES = {"black", "black with noise", "white", "silent", "clipped", FROZEN}


def spoiled(piece: Observation, before: Observation, source: str, fault: str, rng: np.random.Generator) -> Observation:
    """The piece with this fault of one camera or sensor."""
    if fault == FROZEN:
        return _frozen(before, _of(piece, before, source), source)
    if fault == OF_PIECE_BEFORE:
        return _of(piece, before, source)
    if source in piece.views:
        view = piece.views[source]
        images = tuple(IMAGE_FAULTS[fault](image, rng) for image in view.images)
        return replace(piece, views={**piece.views, source: replace(view, images=images)})
    clip = piece.clips[source]
    samples = None if clip.samples is None else CLIP_FAULTS[fault](clip.samples, clip.sample_rate_hz, rng)
    return replace(piece, clips={**piece.clips, source: replace(clip, samples=samples)})


def _of(piece: Observation, before: Observation, source: str) -> Observation:
    """The recording of the piece before, with the time of this piece."""
    if source in piece.views:
        view = replace(piece.views[source], images=before.views[source].images)
        return replace(piece, views={**piece.views, source: view})
    first_ns = before.clips[source].first_ns + SECOND_NS
    clip = replace(piece.clips[source], samples=before.clips[source].samples, first_ns=first_ns)
    return replace(piece, clips={**piece.clips, source: clip})


def _frozen(before: Observation, piece: Observation, source: str) -> Observation:
    others = frozenset({*piece.views, *piece.clips} - {source})
    line = FrozenDetector({})
    line.mark(before, others)
    return line.mark(piece, others)[0]
