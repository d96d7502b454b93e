"""Encodes images and clips for browsers: PNG or JPEG scaled to the view, WAV with 32-bit floats."""

import struct
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streams.observation import Clip, Image, Observation

MAX_SIDE_PX = 960
"""Longer side of a picture in a browser."""
MAX_PNG_PX = 256 * 256
"""Smaller pictures are sent without loss."""
JPEG_QUALITY = 88
MAX_FRAMES = 16
"""Images of one camera."""
MAX_VALUES = 2**20
"""Samples of one clip, all channels together; the end of a longer one is left out."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A file, and the size in pixels of the image that it was made from."""

    data: bytes
    media_type: str
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """A WAV file of at most two channels."""

    data: bytes


def encoded_piece(piece: Observation) -> tuple[dict[str, tuple[Picture, ...]], dict[str, Sound]]:
    """By camera and by sensor; a source without recordings is absent."""
    pictures = {
        name: tuple(picture_of(image) for image in view.images[:MAX_FRAMES])
        for name, view in piece.views.items()
        if view.images
    }
    return pictures, {name: sound for name, clip in piece.clips.items() if (sound := sound_of(clip)) is not None}


def picture_of(image: Image, max_side_px: int = MAX_SIDE_PX) -> Picture:
    """(H, W) or (H, W, 3) blue-green-red, 8 or 16 bits."""
    height_px, width_px = image.shape[:2]
    shown = _scaled(_eight_bits(image), max_side_px)
    is_small = shown.shape[0] * shown.shape[1] <= MAX_PNG_PX
    kind, options = (".png", []) if is_small else (".jpg", [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    _, data = cv2.imencode(kind, shown, options)
    return Picture(data.tobytes(), "image/png" if is_small else "image/jpeg", width_px, height_px)


def _eight_bits(image: Image) -> NDArray[np.uint8]:
    return image.astype(np.uint8) if image.dtype == np.uint8 else (image >> 8).astype(np.uint8)


def _scaled(image: NDArray[np.uint8], max_side_px: int) -> NDArray[np.uint8]:
    height_px, width_px = image.shape[:2]
    scale = max_side_px / max(height_px, width_px)
    if scale >= 1:
        return image
    size = max(1, round(width_px * scale)), max(1, round(height_px * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def sound_of(clip: Clip) -> Sound | None:
    """None without samples. More than two channels are sent as their mean."""
    samples = clip.samples
    if samples is None or not len(samples) or clip.sample_rate_hz <= 0:
        return None
    if samples.shape[1] > 2:
        samples = samples.mean(axis=1, keepdims=True, dtype=np.float32)
    return Sound(wav_of(samples[: MAX_VALUES // samples.shape[1]], clip.sample_rate_hz))


def wav_of(samples: NDArray[np.float32], sample_rate_hz: float) -> bytes:
    """A WAV file of 32-bit floats (format 3). The rate in its header is whole, at least 1."""
    channels, data = samples.shape[1], np.ascontiguousarray(samples, "<f4").tobytes()
    rate = max(1, round(sample_rate_hz))
    form = struct.pack("<HHIIHH", 3, channels, rate, rate * channels * 4, channels * 4, 32)
    return b"".join(
        (b"RIFF", struct.pack("<I", 36 + len(data)), b"WAVEfmt ", struct.pack("<I", len(form)), form,
         b"data", struct.pack("<I", len(data)), data)
    )  # fmt: skip
