"""Builds the input form and the network of an expert from its configuration."""

import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from encoders.audio import AudioEncoder, MelForm
from encoders.front_end import Image, prepare_clip, prepare_image
from encoders.kernel import KernelEncoder, NetworkProfile
from encoders.profiles import MapProfile, SoundProfile, TraceProfile, map_levels
from encoders.vibration import VibrationEncoder
from encoders.vision import Shape, VisionEncoder, Weights
from inspector.bundle.schema import ImageInput, SignalInput
from inspector.dataset.files import Recording
from inspector.dataset.manifest import ManifestError
from inspector.dataset.recordings import Clip
from inspector.training.batches import MAX_PREPARED_BYTES
from inspector.training.config import ExpertConfig, ImageExpert, SignalExpert

WAFER_LEVELS = (0.0, 128.0, 255.0)
"""No die, passed, failed: the values of wafer-like maps that `rings` reads."""

DARK = 1 / 32
"""Share of the value range below which pictures are probably not scaled; 12 bits in 16 use twice as much."""

_log = logging.getLogger("inspector.training")

Encoder = VisionEncoder | AudioEncoder | VibrationEncoder | KernelEncoder


def input_form(config: ExpertConfig, recordings: Sequence[Recording]) -> ImageInput | SignalInput:
    """The form of the expert's input; rates, lengths and scales come from the training recordings."""
    match config:
        case ImageExpert():
            _warn_of_dark(config, [picture for picture in recordings if not isinstance(picture, Clip)])
            return ImageInput(
                tile_height_px=config.height_px,
                tile_width_px=config.width_px,
                rows=config.rows,
                cols=config.cols,
                num_channels=config.num_channels,
                interpolation=config.interpolation,
            )
        case SignalExpert():
            return _signal_form(config, [clip for clip in recordings if isinstance(clip, Clip)])


def _warn_of_dark(config: ImageExpert, pictures: Sequence[Image]) -> None:
    """Training and serving read values as shares of the range of their type: 0, 1, 2 are almost black."""
    brightest = max((picture.max() / np.iinfo(picture.dtype).max for picture in pictures), default=1.0)
    if brightest < DARK:
        kind = pictures[0].dtype
        _log.warning(
            "%s: the largest value in %d pictures of %s is %.0f of %d possible in %s, so they look almost black: "
            "spread the values (a wafer map's 0, 1, 2 to %s), in the manifest's files and on the line",
            config.name, len(pictures), config.modality, brightest * np.iinfo(kind).max, np.iinfo(kind).max, kind,
            ", ".join(f"{level:g}" for level in WAFER_LEVELS),
        )  # fmt: skip


def _signal_form(config: SignalExpert, clips: Sequence[Clip]) -> SignalInput:
    kinds = {(clip.sample_rate_hz, clip.samples.shape[1]) for clip in clips}
    if len(kinds) != 1:
        listed = ", ".join(f"{rate:g} Hz x {channels}" for rate, channels in sorted(kinds)) or "no recording"
        raise ManifestError(f"sensor {config.modality} has {listed}: give it one rate and one number of channels")
    (rate, channels) = kinds.pop()
    together = np.concatenate([clip.samples for clip in clips])
    spread = np.maximum(together.std(0), 1e-6)
    mel = config.encoder in ("log_mel", "sound_profile")
    return SignalInput(
        sample_rate_hz=rate,
        num_samples=config.num_samples or max(len(clip.samples) for clip in clips),
        num_channels=channels,
        scaling=config.scaling,
        mean=tuple(map(float, together.mean(0))) if config.scaling == "standard" else (),
        std=tuple(map(float, spread)) if config.scaling == "standard" else (),
        min_hz=config.min_hz if mel else None,
        max_hz=_max_hz(config, rate) if mel else None,
    )


def _max_hz(config: SignalExpert, sample_rate_hz: float) -> float:
    return config.max_hz or 0.45 * sample_rate_hz


def build_encoder(
    config: ExpertConfig,
    form: ImageInput | SignalInput,
    widths: tuple[int, int],
    weights: Mapping[str, Path],
) -> Encoder:
    """An untrained network; `widths`: width of a token and number of classes; `weights`: local files by timm name."""
    match config, form:
        case ImageExpert(readout="kernel"), ImageInput():
            return KernelEncoder(_picture_profile(config, form, weights), *widths)
        case ImageExpert(), ImageInput():
            shape = Shape(config.encoder, config.stages, config.context)
            return VisionEncoder(shape, form, _start(config, weights), *widths)
        case SignalExpert(encoder="log_mel"), SignalInput():
            return AudioEncoder(form, _mel_form(config, form), *widths)
        case SignalExpert(encoder="sound_profile"), SignalInput():
            return KernelEncoder(SoundProfile(_mel_form(config, form), fine=True), *widths)
        case SignalExpert(encoder="trace_profile"), SignalInput():
            return KernelEncoder(TraceProfile(form.num_samples), *widths)
        case SignalExpert(), SignalInput():
            return VibrationEncoder(form, *widths)
    raise AssertionError(f"{config.name}: the type of its input form does not match")


def _picture_profile(config: ImageExpert, form: ImageInput, weights: Mapping[str, Path]) -> NetworkProfile | MapProfile:
    if config.encoder == "rings":
        return MapProfile(*map_levels((np.array(WAFER_LEVELS) / 255 - form.mean) / form.std), fine=True)
    return NetworkProfile(config.encoder, form, _start(config, weights), config.stages)


def _start(config: ImageExpert, weights: Mapping[str, Path]) -> Weights:
    return Weights(weights.get(config.encoder), config.pretrained)


def _mel_form(config: SignalExpert, form: SignalInput) -> MelForm:
    highest_hz = _max_hz(config, form.sample_rate_hz)
    return MelForm(form.sample_rate_hz, config.num_fft, config.hop, config.num_mels, config.min_hz, highest_hz)


def prepare(recordings: Sequence[Recording], form: ImageInput | SignalInput) -> Float[Tensor, "R ..."]:
    """Inputs as in serving, except that pictures are whole: (R, C, H, W) until `cut` splits them into tiles."""
    match form:
        case ImageInput():
            images = [image for image in recordings if not isinstance(image, Clip)]
            return torch.from_numpy(_prepared(images, _whole(form)))
        case SignalInput():
            clips = [clip for clip in recordings if isinstance(clip, Clip)]
            return torch.from_numpy(np.stack([prepare_clip(c.samples, c.sample_rate_hz, form) for c in clips]))


def _prepared(images: Sequence[Image], whole: ImageInput) -> NDArray[np.float32]:
    """Raises ManifestError before the machine runs out of memory."""
    shape = len(images), whole.num_channels, whole.tile_height_px, whole.tile_width_px
    num_bytes = 4 * math.prod(shape)
    if num_bytes > MAX_PREPARED_BYTES:
        raise ManifestError(
            f"{len(images)} pictures of {shape[3]} x {shape[2]} px take {num_bytes / 2**30:.1f} GiB when prepared, "
            f"more than {MAX_PREPARED_BYTES / 2**30:.0f}: give fewer pieces, a smaller region, or fewer tiles"
        )
    prepared = np.empty(shape, np.float32)
    for row, image in enumerate(images):
        prepared[row] = prepare_image(image, whole)[0]
    return prepared


def _whole(form: ImageInput) -> ImageInput:
    height_px, width_px = form.rows * form.tile_height_px, form.cols * form.tile_width_px
    return form.model_copy(update={"rows": 1, "cols": 1, "tile_height_px": height_px, "tile_width_px": width_px})


def cut(inputs: Float[Tensor, "B ..."], form: ImageInput | SignalInput) -> Float[Tensor, "B ..."]:
    """Pictures (B, C, H, W) to tiles row by row (B, T, C, h, w), as `prepare_image` does; signals stay unchanged."""
    if isinstance(form, SignalInput):
        return inputs
    batch, channels = inputs.shape[:2]
    cells = inputs.reshape(batch, channels, form.rows, form.tile_height_px, form.cols, form.tile_width_px)
    return cells.permute(0, 2, 4, 1, 3, 5).reshape(batch, -1, channels, form.tile_height_px, form.tile_width_px)
