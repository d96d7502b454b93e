"""Draws a clip for the report: its spectrogram, or the curve of a trace, and a file that can be played.

The spectrogram is that of the live page (inspector/web/static/fft.js and spectrogram.js): Hann windows, 70 dB.
"""

import io
import wave

import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 480, 160
"""Of the picture in pixels."""
RANGE_DB = 70.0
MAX_COLUMNS = 240
MAX_S = 10.0
"""Of a clip that is played and drawn."""
MAX_SAMPLES = 2**19
"""The same in samples: of 10 s at 48 kHz, all."""
LOWEST_HZ, HIGHEST_HZ = 3_000.0, 192_000.0
"""Rates that browsers play."""
PEAK = 0.7
"""Loudest sample: a faint clip can be heard, and a loud one does no harm."""
JPEG_QUALITY = 80
MAX_LINES = 4
"""Channels of a trace that are drawn."""
Samples = NDArray[np.float32]
_RAMP = np.array([(10, 14, 20), (16, 54, 74), (24, 118, 116), (110, 178, 108), (226, 216, 120), (255, 248, 214)])


def beginning(samples: Samples, sample_rate_hz: float) -> Samples:
    """(N, C), at most `MAX_S` and `MAX_SAMPLES`."""
    return samples[: min(max(1, int(MAX_S * sample_rate_hz)), MAX_SAMPLES)]


def spectrogram(samples: Samples) -> bytes:
    """A JPEG of (N, C) samples, the mean of their channels: low frequencies below, 0 Hz to half the rate."""
    decibels = _decibels(samples.mean(axis=1, dtype=np.float64))
    levels = np.clip((decibels - decibels.max()) / RANGE_DB + 1, 0, 1)
    colours = np.stack(
        [np.interp(levels, np.linspace(0, 1, len(_RAMP)), _RAMP[:, channel]) for channel in (2, 1, 0)], -1
    )
    picture = cv2.resize(colours[::-1].astype(np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return data.tobytes()


def _decibels(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """(frequencies, times)"""
    size = _window_size(len(samples))
    padded = np.pad(samples, (0, max(0, size - len(samples))))
    hop = max(1, (len(padded) - size) // (MAX_COLUMNS - 1))
    windows = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop][:MAX_COLUMNS]
    power = np.abs(np.fft.rfft(windows * np.hanning(size + 1)[:-1], axis=1)[:, : size // 2]) ** 2
    decibels: NDArray[np.float64] = 10 * np.log10(power.T + 1e-12)
    return decibels


def _window_size(num_samples: int) -> int:
    size = 64
    while size < 1024 and size * 24 < num_samples:
        size *= 2
    return size


def is_playable(sample_rate_hz: float) -> bool:
    return LOWEST_HZ <= sample_rate_hz <= HIGHEST_HZ


def playable(samples: Samples, sample_rate_hz: float) -> bytes:
    """A WAV of 16 bits, one channel, as loud as `PEAK`. Its rate is whole."""
    mono = samples.mean(axis=1, dtype=np.float64)
    peak = max(float(np.abs(mono).max(initial=0.0)), 1e-6)
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(max(1, round(sample_rate_hz)))
        wav.writeframes(np.round(mono * (PEAK * 32767 / peak)).astype("<i2").tobytes())
    return file.getvalue()


def curves(samples: Samples) -> list[str]:
    """Paths of an SVG of `WIDTH` x `HEIGHT`, one for each channel, on one scale; peaks survive."""
    shown = samples[:, :MAX_LINES].astype(np.float64)
    low, high = float(shown.min()), float(shown.max())
    heights = 8 + (HEIGHT - 16) * (1 - (shown - low) / (high - low or 1.0))
    return [_path(heights[:, channel]) for channel in range(shown.shape[1])]


def _path(heights: NDArray[np.float64]) -> str:
    places = np.linspace(0, WIDTH, max(len(heights), 2))
    if len(heights) > WIDTH:
        parts = np.array_split(np.arange(len(heights)), WIDTH // 2)
        order = np.concatenate([np.sort(part[[heights[part].argmin(), heights[part].argmax()]]) for part in parts])
        places, heights = places[order], heights[order]
    return "M" + " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(places.tolist(), heights.tolist(), strict=False))
