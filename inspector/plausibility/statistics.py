"""Computes, from prepared thumbnails and clips, the figures that decide whether a source is plausible.

Letters: T tiles, H rows, W columns, C channels, S samples.
"""

import math
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from encoders.front_end import Image
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
MAX_ROWS = 256
"""Of larger pictures so many rows, spread evenly, are compared with the next one."""
STEP = 1 / 32768
"""Of samples in 16 bits."""
_INSIDE = (math.nextafter(DARK, 1), math.nextafter(BRIGHT, 0))


def picture_figures(framed: Image, prepared: Samples, form: ImageInput) -> dict[str, float]:
    """By name, of one picture (H, W) or (H, W, 3) before it is resized, and of its thumbnail (T, C, H, W) as
    `encoders.front_end.prepare_image` makes it.

    Sharpness is fine detail over the contrast of the flattest quarter: a large defect raises the contrast of the whole.
    """
    grey = _grey(prepared, form)
    quarters = [
        cv2.meanStdDev(grey[rows, columns]) for rows in _halves(grey.shape[0]) for columns in _halves(grey.shape[1])
    ]
    mean, spread = cv2.meanStdDev(grey)
    flattest = min(float(quarter_spread[0, 0]) for _, quarter_spread in quarters)
    across, down = _bends(grey)
    detail = math.sqrt(_mean_square(across) + _mean_square(down))
    return {
        "brightness": float(mean[0, 0]),
        "saturated": 1 - cv2.countNonZero(cv2.inRange(grey, _INSIDE[0], _INSIDE[1])) / grey.size,
        "contrast": float(spread[0, 0]),
        "quarter_contrast": flattest,
        "quarter_brightness": min(float(quarter_mean[0, 0]) for quarter_mean, _ in quarters),
        "sharpness": detail / max(flattest, TINY),
        "noise": _low_quarter(np.abs(across[::2])),
        "repeated": _repeated(framed),
    }


def _grey(prepared: Samples, form: ImageInput) -> Samples:
    """(H, W) from 0 to 1, tiles put together again."""
    grey = prepared[:, 0] if form.num_channels == 1 else prepared.sum(axis=1) * np.float32(1 / 3)
    tiles = grey.reshape(form.rows, form.cols, form.tile_height_px, form.tile_width_px)
    height_px, width_px = form.rows * form.tile_height_px, form.cols * form.tile_width_px
    whole = tiles.transpose(0, 2, 1, 3).reshape(height_px, width_px)
    step = -(-max(height_px, width_px) // MAX_SIDE_PX)
    return np.asarray(whole[::step, ::step] * np.float32(form.std) + np.float32(form.mean), np.float32)


def _halves(length: int) -> tuple[slice, slice]:
    return slice(0, max(1, length // 2)), slice(length // 2, length)


def _bends(grey: Samples) -> tuple[Samples, Samples]:
    """Difference of pixels from the mean of their two neighbours in the row and in the column: fine detail, noise."""
    half, none = np.float32(0.5), np.zeros((1, 1), np.float32)
    across = grey[:, 1:-1] - half * (grey[:, :-2] + grey[:, 2:]) if grey.shape[1] > 2 else none
    down = grey[1:-1] - half * (grey[:-2] + grey[2:]) if grey.shape[0] > 2 else none
    return across, down


def _mean_square(values: Samples) -> float:
    return float(np.vdot(values, values)) / values.size


def _low_quarter(values: Samples) -> float:
    """The lower quartile: noise is everywhere, detail is not."""
    place = values.size // 4
    return float(np.partition(values, place, axis=None)[place])


def _repeated(picture: Image) -> float:
    """Share of the rows, or of the columns if that is more, that are as the one before: cameras and drivers fill in so
    what the network has lost. Those of one value do not count: background may look like that."""
    pixels = picture.reshape(*picture.shape[:2], -1)
    chosen = np.linspace(0, max(0, len(pixels) - 2), min(len(pixels) - 1, MAX_ROWS)).astype(int)
    if not len(chosen) or pixels.shape[1] < 2:
        return 0.0
    rows, next_rows = pixels[chosen], pixels[chosen + 1]
    columns, next_columns = rows[:, :-1], rows[:, 1:]
    return max(
        float(((rows == next_rows).all(axis=(1, 2)) & (rows != rows[:, :1]).any(axis=(1, 2))).mean()),
        float(((columns == next_columns).all(axis=(0, 2)) & (columns != columns[:1]).any(axis=(0, 2))).mean()),
    )


def clip_figures(prepared: Samples, length: int, form: SignalInput) -> dict[str, float]:
    """Of one clip (C, S) as `encoders.front_end.prepare_clip` makes it; samples after `length` are padding."""
    samples = _spread_out(_as_recorded(prepared[:, :length], form))
    offsets = _means(samples)
    centred = samples - offsets[:, None]
    powers = np.einsum("cs,cs->c", centred, centred, dtype=np.float64) / centred.shape[1]
    levels = np.sqrt(powers)
    figures = _peak_figures(centred, levels) | {
        "level": float(np.sqrt(powers.mean())),
        "channel_level": float(levels.min()),
        "offset": float(offsets[np.argmax(np.abs(offsets))]),
        "noise_floor": _quiet(samples),
        "lost": _lost(samples),
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
    return {
        "clipped": float((np.count_nonzero(cut, axis=1) / cut.shape[1])[moving].max()),
        "crest": float((peaks / levels[moving]).min()),
    }


def _quiet(samples: Samples) -> float:
    """Mean step from sample to sample in the quietest tenth of the clip, of the quietest channel."""
    steps = np.abs(np.diff(samples, axis=1))
    run = max(1, steps.shape[1] // BLOCKS)
    if not steps.size:
        return 0.0
    blocks = steps[:, : steps.shape[1] // run * run].reshape(len(steps), -1, run)
    means = _means(blocks)
    place = means.shape[1] // 10
    return float(np.partition(means, place, axis=1)[:, place].min())


def _lost(samples: Samples) -> float:
    """Share of samples that are zero or as the one before, as drivers fill in what they have lost; of the worst
    channel."""
    none = (np.abs(samples[:, 1:]) < STEP / 2) | (np.abs(np.diff(samples, axis=1)) < STEP / 2)
    return float(none.mean(axis=1).max()) if none.size else 0.0


def _means(values: Samples) -> Samples:
    """Over the last axis; `mean` does the same in three times the time for one clip."""
    return np.asarray(np.add.reduce(values, axis=-1) / np.float32(values.shape[-1]), np.float32)


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
