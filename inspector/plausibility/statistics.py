"""Turns prepared thumbnails and clips into the few figures by which a source is believed or not. Knows no limits.

Letters: B thumbnails, H rows, W columns, C channels, S samples.
"""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from inspector.bundle.schema import ImageInput, SignalInput

Floats = NDArray[np.float64]
Samples = NDArray[np.float32]

MAX_SIDE_PX = 96
"""Of larger thumbnails every second, third, ... row and column is looked at."""
MAX_SAMPLES = 16_384
"""Longer clips are looked at in BLOCKS pieces, spread evenly over their length."""
BLOCKS = 32
DARK, BRIGHT = 1.5 / 255, 253.5 / 255
"""Pixels beyond these are at the end of the scale, give or take what resizing does to them."""
NEAR_PEAK = 0.005
"""Samples this close to the largest one count as cut off: a converter that clips repeats one value."""
MAINS_HZ = 50.0
HUM_HZ = (40.0, 130.0)
"""Mains, 50 or 60 Hz, and twice that."""
MAX_WAVES = 64
TINY = 1e-7


def picture_figures(prepared: Samples, form: ImageInput) -> Mapping[str, Floats]:
    """By name, one value per thumbnail, of (B, T, C, H, W) as `encoders.front_end.prepare_image` makes them.

    Sharpness is fine detail over the contrast of the flattest quarter: a large defect raises the contrast of the whole.
    """
    grey = _grey(prepared, form)
    across, down = _bends(grey), _bends(grey.transpose(0, 2, 1))
    detail = np.sqrt(_mean_square(across) + _mean_square(down))
    quarters = [grey[:, rows, columns] for rows in _halves(grey.shape[1]) for columns in _halves(grey.shape[2])]
    flattest = np.min([quarter.std(axis=(1, 2), dtype=np.float64) for quarter in quarters], axis=0)
    return {
        "brightness": grey.mean(axis=(1, 2), dtype=np.float64),
        "saturated": np.mean((grey <= DARK) | (grey >= BRIGHT), axis=(1, 2)),
        "contrast": grey.std(axis=(1, 2), dtype=np.float64),
        "quarter_contrast": flattest,
        "quarter_brightness": np.min([quarter.mean(axis=(1, 2), dtype=np.float64) for quarter in quarters], axis=0),
        "sharpness": detail / np.maximum(flattest, TINY),
        "noise": _low_quarter(np.abs(across[:, ::2]).reshape(len(grey), -1)),
    }


def _grey(prepared: Samples, form: ImageInput) -> Samples:
    """(B, H, W) from 0 to 1, tiles put together again."""
    grey = prepared[:, :, 0] if form.num_channels == 1 else prepared.mean(axis=2)
    tiles = grey.reshape(len(grey), form.rows, form.cols, form.tile_height_px, form.tile_width_px)
    height_px, width_px = form.rows * form.tile_height_px, form.cols * form.tile_width_px
    whole = tiles.transpose(0, 1, 3, 2, 4).reshape(len(grey), height_px, width_px)
    step = -(-max(height_px, width_px) // MAX_SIDE_PX)
    return np.asarray(whole[:, ::step, ::step] * np.float32(form.std) + np.float32(form.mean), np.float32)


def _halves(length: int) -> tuple[slice, slice]:
    return slice(0, max(1, length // 2)), slice(length // 2, length)


def _bends(grey: Samples) -> Samples:
    """Of every pixel, how far it lies beside the mean of its two neighbours in the row: fine detail, and noise."""
    if grey.shape[2] < 3:
        return np.zeros((*grey.shape[:2], 1), np.float32)
    return np.asarray(grey[:, :, 1:-1] - np.float32(0.5) * (grey[:, :, :-2] + grey[:, :, 2:]), np.float32)


def _mean_square(values: Samples) -> Floats:
    return np.asarray(np.square(values).mean(axis=(1, 2)), np.float64)


def _low_quarter(values: Samples) -> Floats:
    """Per row, what a quarter of the values lies below: noise is everywhere, detail is not."""
    place = values.shape[1] // 4
    return np.asarray(np.partition(values, place, axis=1)[:, place], np.float64)


def clip_figures(prepared: Samples, length: int, form: SignalInput) -> Mapping[str, float]:
    """Of one clip (C, S) as `encoders.front_end.prepare_clip` makes it; what lies behind `length` is padding."""
    samples = _spread_out(_as_recorded(prepared[:, :length], form))
    offsets = samples.mean(axis=1)
    centred = samples - offsets[:, None]
    powers = np.einsum("cs,cs->c", centred, centred, dtype=np.float64) / centred.shape[1]
    levels = np.sqrt(powers)
    figures = _peak_figures(centred, levels) | {
        "level": float(np.sqrt(powers.mean())),
        "channel_level": float(levels.min()),
        "offset": float(offsets[np.argmax(np.abs(offsets))]),
        "noise_floor": _quiet(samples),
    }
    waves = _hum_waves(centred.shape[1], form.sample_rate_hz)
    return figures if waves is None else figures | {"hum": _hum(centred, powers, waves)}


def _as_recorded(samples: Samples, form: SignalInput) -> Samples:
    if form.scaling == "none":
        return samples
    return samples * np.asarray(form.std, np.float32)[:, None] + np.asarray(form.mean, np.float32)[:, None]


def _spread_out(samples: Samples) -> Samples:
    """At most `MAX_SAMPLES` of every channel."""
    length = samples.shape[1]
    if length <= MAX_SAMPLES:
        return samples
    stride = length // BLOCKS
    runs = samples[:, : stride * BLOCKS].reshape(len(samples), BLOCKS, stride)[:, :, : MAX_SAMPLES // BLOCKS]
    return np.ascontiguousarray(runs.reshape(len(samples), -1))


def _peak_figures(centred: Samples, levels: Floats) -> dict[str, float]:
    """Share of samples at the extremes, and peak over level; NaN where nothing moves, which other figures say."""
    largest, smallest = centred.max(axis=1), centred.min(axis=1)
    near = np.float32(NEAR_PEAK) * (largest - smallest)
    cut = (centred >= (largest - near)[:, None]) | (centred <= (smallest + near)[:, None])
    moving = levels > TINY
    if not moving.any():
        return {"clipped": np.nan, "crest": np.nan}
    peaks = np.maximum(largest, -smallest)[moving]
    return {"clipped": float(cut.mean(axis=1)[moving].max()), "crest": float((peaks / levels[moving]).min())}


def _quiet(samples: Samples) -> float:
    """Mean step from sample to sample in the quietest tenth of the clip, of the quietest channel."""
    steps = np.abs(np.diff(samples, axis=1))
    run = max(1, steps.shape[1] // BLOCKS)
    if not steps.size:
        return 0.0
    blocks = steps[:, : steps.shape[1] // run * run].reshape(len(steps), -1, run).mean(axis=2)
    place = blocks.shape[1] // 10
    return float(np.partition(blocks, place, axis=1)[:, place].min())


def _hum(centred: Samples, powers: Floats, waves: Samples) -> float:
    """Share of a channel's energy that lies between 40 and 130 Hz, the largest of all channels."""
    parts = centred @ waves
    energies = 2 * np.einsum("cw,cw->c", parts, parts, dtype=np.float64) / centred.shape[1] ** 2
    return float((energies / np.maximum(powers, TINY**2)).max())


@lru_cache(maxsize=16)
def _hum_waves(length: int, sample_rate_hz: float) -> Samples | None:
    """(S, 2 x waves) that are whole periods of the clip; None for clips that are too short or slow to tell hum."""
    low, high = HUM_HZ
    if length < 2 * sample_rate_hz / MAINS_HZ or sample_rate_hz < 4 * high:
        return None
    periods = np.arange(np.ceil(low * length / sample_rate_hz), high * length / sample_rate_hz)
    chosen = periods[:: -(-len(periods) // MAX_WAVES)] if len(periods) > MAX_WAVES else periods
    angles = 2 * np.pi * np.outer(np.arange(length), chosen) / length
    return np.concatenate([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
