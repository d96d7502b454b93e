"""Turns camera images and sensor clips into encoder inputs, in the same way for training and serving."""

from typing import Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8] | NDArray[np.uint16]
Interpolation = Literal["area", "linear", "nearest"]

RATE_TOLERANCE = 1e-3
"""Relative difference of sample rates that counts as clock error, not as another rate."""

_INTERPOLATIONS: dict[Interpolation, int] = {
    "area": cv2.INTER_AREA,
    "linear": cv2.INTER_LINEAR,
    "nearest": cv2.INTER_NEAREST_EXACT,
}


class ImageForm(Protocol):
    """How an image becomes rows x cols tiles of one size; `mean` and `std` apply after scaling to 0..1."""

    @property
    def tile_height_px(self) -> int: ...
    @property
    def tile_width_px(self) -> int: ...
    @property
    def rows(self) -> int: ...
    @property
    def cols(self) -> int: ...
    @property
    def num_channels(self) -> Literal[1, 3]: ...
    @property
    def interpolation(self) -> Interpolation: ...
    @property
    def mean(self) -> float: ...
    @property
    def std(self) -> float: ...


class SignalForm(Protocol):
    """How a clip becomes exactly `num_samples` by `num_channels`; `mean` and `std` have one value per channel."""

    @property
    def sample_rate_hz(self) -> float: ...
    @property
    def num_samples(self) -> int: ...
    @property
    def num_channels(self) -> int: ...
    @property
    def scaling(self) -> Literal["none", "standard"]: ...
    @property
    def mean(self) -> tuple[float, ...]: ...
    @property
    def std(self) -> tuple[float, ...]: ...


def prepare_image(image: Image, form: ImageForm) -> NDArray[np.float32]:
    """(H, W) or (H, W, 3) blue-green-red, uint8 or uint16, to (T, C, H, W): tiles row by row, three channels as RGB."""
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3) or 0 in image.shape:
        raise ValueError(f"image has shape {image.shape}, expected (H, W) or (H, W, 3): decode it to grey or BGR")
    height_px, width_px = form.rows * form.tile_height_px, form.cols * form.tile_width_px
    pixels: cv2.typing.MatLike = image
    if image.shape[:2] != (height_px, width_px):
        pixels = cv2.resize(image, (width_px, height_px), interpolation=_INTERPOLATIONS[form.interpolation])
    full_scale = float(np.iinfo(image.dtype).max)
    scaled = (_with_channels(pixels, form.num_channels).astype(np.float32) / full_scale - form.mean) / form.std
    tiles = scaled.reshape(form.rows, form.tile_height_px, form.cols, form.tile_width_px, form.num_channels)
    tiles = tiles.transpose(0, 2, 4, 1, 3)
    return np.ascontiguousarray(tiles.reshape(-1, form.num_channels, form.tile_height_px, form.tile_width_px))


def _with_channels(pixels: cv2.typing.MatLike, num_channels: Literal[1, 3]) -> cv2.typing.MatLike:
    match (pixels.ndim, num_channels):
        case (3, 1):
            return cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
        case (2, 3):
            return cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB)
        case (3, 3):
            return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    return pixels


def prepare_clip(samples: NDArray[np.float32], sample_rate_hz: float, form: SignalForm) -> NDArray[np.float32]:
    """(num_samples, num_channels) to (C, S): scaled, then cut or padded at the end with zeros. Never resamples."""
    if samples.ndim != 2 or samples.shape[1] != form.num_channels:
        raise ValueError(f"clip has shape {samples.shape}, expected (samples, {form.num_channels}): check the sensor")
    if abs(sample_rate_hz - form.sample_rate_hz) > RATE_TOLERANCE * form.sample_rate_hz:
        raise ValueError(
            f"clip has {sample_rate_hz:g} Hz, the expert expects {form.sample_rate_hz:g} Hz: "
            "set the sensor to that rate, or train with its own"
        )
    clip = samples[: form.num_samples].astype(np.float32)
    if form.scaling == "standard":
        clip -= np.asarray(form.mean, np.float32)
        clip /= np.asarray(form.std, np.float32)
    prepared = np.zeros((form.num_channels, form.num_samples), np.float32)
    prepared[:, : len(clip)] = clip.T
    return prepared
