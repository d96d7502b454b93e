"""Computes descriptions of good recordings, by kind, and fits a memory to them.

Letters: R recordings.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor

from encoders.audio import MelForm
from encoders.front_end import Image
from encoders.memory import Memory, PatchMemory, ProfileMemory
from encoders.patches import FilterPatches, NetworkPatches
from encoders.profiles import MAP_SIDE_PX, MapProfile, Profile, SoundProfile, TraceProfile, map_levels
from encoders.tokens import Encoded
from encoders.vision import Weights
from inspector.bundle.schema import ImageInput, Modality, SignalInput
from inspector.dataset.files import Recording
from inspector.dataset.recordings import Clip
from inspector.training.config import ExpertConfig, ImageExpert, SignalExpert, TrainConfigError
from inspector.training.experts.defaults import MAP_LEVELS
from inspector.training.experts.defaults import MAP_SIDE_PX as LARGEST_MAP_PX
from inspector.training.good_only.memory_bank import Fitted, fit_patches, fit_profiles
from inspector.training.inputs import cut, input_form, prepare
from streams.decode.kinds import is_curve

TOKEN_DIM = 32
SIDE_PX = 224
BATCH = 16

Describer = NetworkPatches | FilterPatches | MapProfile | SoundProfile | TraceProfile
Description = Tensor | Profile
SEES: Mapping[type[Describer], str] = {
    NetworkPatches: "places of the picture, described by a frozen network",
    FilterPatches: "places of the picture, described by fixed filters, which detect little: give --weights",
    MapProfile: "marked cells of the map by ring, and where they are dense",
    SoundProfile: "bands of the sound, independent of its loudness",
    TraceProfile: "the course of the trace",
}
"""Text for the model card: the subject of each description."""


@dataclass(frozen=True)
class Backbone:
    """A frozen timm network."""

    name: str
    weights: Weights


@dataclass(frozen=True, eq=False)
class GoodRecordings:
    """The recordings of one modality, each once, with their groups."""

    modality: Modality
    paths: tuple[str, ...]
    recordings: tuple[Recording, ...]
    groups: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Descriptor:
    """How the recordings of one modality are described; needs no fitting."""

    config: ExpertConfig
    form: ImageInput | SignalInput
    describer: Describer


def make_descriptor(good: GoodRecordings, backbone: Backbone | None) -> Descriptor:
    """Chooses the description by the kind of recording."""
    name = good.modality.name
    if good.modality.kind != "image":
        return _signal_descriptor(good)
    pictures = [picture for picture in good.recordings if not isinstance(picture, Clip)]
    levels = _map_levels(pictures)
    side_px = SIDE_PX if levels is None else MAP_SIDE_PX
    config = ImageExpert(
        name=f"{name}-good",
        modality=name,
        scout=True,
        encoder=backbone.name if backbone else "tiny",
        height_px=side_px,
        width_px=side_px,
        num_channels=3 if backbone and levels is None else 1,
        interpolation="area" if levels is None else "nearest",
    )
    form = image_form(config)
    if levels is not None:
        outside, marked = levels
        return Descriptor(config, form, MapProfile((outside - form.mean) / form.std, (marked - form.mean) / form.std))
    if backbone is not None:
        return Descriptor(config, form, _network(backbone, form))
    return Descriptor(config, form, FilterPatches())


def _network(backbone: Backbone, form: ImageInput) -> NetworkPatches:
    try:
        return NetworkPatches(backbone.name, form, backbone.weights)
    except (RuntimeError, SafetensorError, ValueError) as exc:  # timm, the file, its weights
        raise TrainConfigError(
            f"network {backbone.name}: {exc}; name a timm model and a safetensors file of its weights"
        ) from exc


def image_form(config: ImageExpert) -> ImageInput:
    return ImageInput(
        tile_height_px=config.height_px,
        tile_width_px=config.width_px,
        num_channels=config.num_channels,
        interpolation=config.interpolation,
    )


def _map_levels(pictures: Sequence[Image]) -> tuple[float, float] | None:
    """Limits between outside, cell and marked cell (0 to 1); None unless all pictures are small maps of few values."""
    values = [np.unique(picture / np.iinfo(picture.dtype).max) for picture in pictures]
    levels = np.unique(np.concatenate(values))
    small = all(picture.ndim == 2 and max(picture.shape) <= LARGEST_MAP_PX for picture in pictures)
    return map_levels(levels) if small and 2 < len(levels) <= MAP_LEVELS else None


def _signal_descriptor(good: GoodRecordings) -> Descriptor:
    is_of_curves = is_curve(good.modality.kind)
    config = SignalExpert(
        name=f"{good.modality.name}-good",
        modality=good.modality.name,
        encoder="tcn" if is_of_curves else "log_mel",
        scaling="standard" if is_of_curves else "none",
    )
    form = input_form(config, good.recordings)
    if isinstance(form, ImageInput):
        raise AssertionError(f"{good.modality.name} is no camera")  # noqa: TRY004 - our own invariant
    if form.min_hz is None or form.max_hz is None:
        return Descriptor(config, form, TraceProfile(form.num_samples))
    mel = MelForm(form.sample_rate_hz, config.num_fft, config.hop, config.num_mels, form.min_hz, form.max_hz)
    return Descriptor(config, form, SoundProfile(mel))


@torch.no_grad()
def describe(
    descriptor: Descriptor, recordings: Sequence[Recording], progress: Callable[[int, int], None]
) -> Description:
    """Describes all recordings, in batches."""
    descriptor.describer.eval()
    parts: list[Description] = []
    for start in range(0, len(recordings), BATCH):
        inputs = prepare(recordings[start : start + BATCH], descriptor.form)
        parts.append(descriptor.describer(cut(inputs, descriptor.form)))
        progress(min(start + BATCH, len(recordings)), len(recordings))
    return joined(parts)


def select_rows(described: Description, rows: Sequence[int]) -> Description:
    """Some of the recordings, by number."""
    index = torch.tensor(rows)
    return described[index] if isinstance(described, Tensor) else Profile(*(values[index] for values in described))


def joined(parts: Sequence[Description]) -> Description:
    if isinstance(parts[0], Tensor):
        return torch.cat([part for part in parts if isinstance(part, Tensor)])
    profiles = [part for part in parts if isinstance(part, Profile)]
    return Profile(*(torch.cat(values) for values in zip(*profiles, strict=True)))


@torch.no_grad()
def fit(descriptor: Descriptor, described: Description, groups: Sequence[str]) -> Fitted:
    match descriptor.describer, described:
        case NetworkPatches() | FilterPatches(), Tensor():
            return fit_patches(descriptor.describer, described, groups, TOKEN_DIM)
        case MapProfile() | SoundProfile() | TraceProfile(), Profile():
            return fit_profiles(descriptor.describer, described, groups, TOKEN_DIM)
    raise AssertionError(f"{descriptor.config.name}: descriptor and description do not match")


@torch.no_grad()
def read(module: Memory, described: Description) -> Encoded:
    """Outputs of a fitted memory for described recordings."""
    match module, described:
        case PatchMemory(), Tensor():
            return module.read(described)
        case ProfileMemory(), Profile():
            return module.read(described)
    raise AssertionError("memory and description do not match")
