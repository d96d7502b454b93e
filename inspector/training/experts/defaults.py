"""Candidate experts for cameras and sensors, used if the configuration names none."""

from collections.abc import Collection, Sequence
from typing import Literal

import numpy as np

from encoders.front_end import Image
from inspector.bundle.schema import Modality
from inspector.training.config import ExpertConfig, Fitting, ImageExpert, SignalExpert
from inspector.training.inputs import WAFER_LEVELS
from streams.decode.kinds import is_sound

SMALL_BACKBONE = "tf_mobilenetv3_small_075"
MAP_SIDE_PX = 96
MAP_LEVELS = 8
SIDES_PX = (224, 320)
ENOUGH_FOR_NETWORKS = 500
NETWORK_EPOCHS = 25
FEW_MAPS = 1000
"""Up to this number of maps, a fold is fitted in seconds and contains few defects."""


def camera_candidates(name: str, pictures: Sequence[Image], weights: Collection[str]) -> list[ExpertConfig]:
    """Candidate scouts on thumbnails and experts on full pictures; pretrained only if weights are given."""
    if all(max(picture.shape[:2]) <= MAP_SIDE_PX and len(np.unique(picture)) <= MAP_LEVELS for picture in pictures):
        return _of_maps(name, pictures)
    if SMALL_BACKBONE in weights:
        return _pretrained(name)
    return [
        ImageExpert(name=f"{name}-scout", modality=name, scout=True, height_px=48, width_px=48),
        ImageExpert(name=f"{name}-full", modality=name, scout=False, height_px=96, width_px=96),
    ]


def _map_expert(name: str, side_px: int, scout: bool) -> ImageExpert:
    """Expert for small maps of few categories (wafers): no interpolation of values, any orientation."""
    return ImageExpert(
        name=f"{name}-scout" if scout else f"{name}-full",
        modality=name,
        scout=scout,
        height_px=side_px,
        width_px=side_px,
        interpolation="nearest",
        turn="any",
        jitter=0.0,
        fitting=Fitting(epochs=NETWORK_EPOCHS),
    )


def _of_maps(name: str, pictures: Sequence[Image]) -> list[ExpertConfig]:
    """The scout of wafer maps uses rings and sectors: a network adds more to them than to a smaller network.

    AUC on 300 calibration maps each of five draws: rings .966, networks of 32 px .960, narrow ones of 48 px .972; 32
    and 48 px together .977, rings and 48 px .980, and .979 with 15 passes instead of 25.
    """
    full = _map_expert(name, 48, scout=False)
    values = set(np.unique(np.concatenate([np.unique(picture) for picture in pictures])).tolist())
    if not values <= set(map(int, WAFER_LEVELS)):
        return [_map_expert(name, 32, scout=True), full]
    quick = Fitting(epochs=15, every_fold=len(pictures) <= FEW_MAPS)
    rings = {"name": f"{name}-rings", "scout": True, "encoder": "rings", "readout": "kernel"}
    return [full.model_copy(update={"encoder": "mini", "fitting": quick}), full.model_copy(update=rings)]


def _pretrained(name: str) -> list[ExpertConfig]:
    """For few pictures: the network is frozen, and folds choose the picture size.

    Statistics of a thumbnail and evidence by place complement each other: on cells, AUC .878 and .916 alone, .931
    together (grouped folds).
    """
    base = ImageExpert(
        name=name, modality=name, scout=False, encoder=SMALL_BACKBONE, freeze=True, num_channels=3, context=True
    )
    scout = {"scout": True, "readout": "kernel", "stages": (2, 3, 4), "height_px": 96, "width_px": 96}
    choices = {f"{name}-scout": scout} | {
        f"{name}-full-{side}": {"stages": (2, 3), "height_px": side, "width_px": side} for side in SIDES_PX
    }
    return [base.model_copy(update={"name": expert, **choice}) for expert, choice in choices.items()]


def sensor_candidates(modality: Modality, num_recordings: int) -> list[ExpertConfig]:
    """Sound is read as log-mel, any other kind as raw samples; networks only with enough recordings."""
    name = modality.name
    heard = is_sound(modality.kind)
    network: Literal["log_mel", "tcn"] = "log_mel" if heard else "tcn"
    profile: Literal["sound_profile", "trace_profile"] = "sound_profile" if heard else "trace_profile"
    scaling: Literal["none", "standard"] = "none" if heard else "standard"
    machine = SignalExpert(name=f"{name}-profile", modality=name, encoder=profile, scaling=scaling, num_mels=64, hop=64)
    fitting = Fitting(epochs=NETWORK_EPOCHS)
    other = SignalExpert(name=f"{name}-network", modality=name, encoder=network, scaling=scaling, fitting=fitting)
    return [machine] if num_recordings < ENOUGH_FOR_NETWORKS else [machine, other]
