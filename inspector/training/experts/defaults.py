"""Proposes experts for a manifest's cameras and sensors where the configuration names none. Knows no network."""

from collections.abc import Collection, Sequence
from typing import Literal

import numpy as np

from encoders.front_end import Image
from inspector.bundle.schema import Modality
from inspector.training.config import ExpertConfig, Fitting, ImageExpert, SignalExpert
from inspector.training.inputs import WAFER_LEVELS

SMALL_BACKBONE = "tf_mobilenetv3_small_075"
MAP_SIDE_PX = 96
MAP_LEVELS = 8
SIDES_PX = (224, 320)
ENOUGH_FOR_NETWORKS = 500
NETWORK_EPOCHS = 25
FEW_MAPS = 1000
"""Up to here a fold is fitted in some seconds and holds few defects."""


def camera_candidates(name: str, pictures: Sequence[Image], weights: Collection[str]) -> list[ExpertConfig]:
    """Scouts over a thumbnail and experts over the picture, to compete; pretrained only where weights were given."""
    if all(max(picture.shape[:2]) <= MAP_SIDE_PX and len(np.unique(picture)) <= MAP_LEVELS for picture in pictures):
        return _of_maps(name, pictures)
    if SMALL_BACKBONE in weights:
        return _pretrained(name)
    return [
        ImageExpert(name=f"{name}-scout", modality=name, scout=True, height_px=48, width_px=48),
        ImageExpert(name=f"{name}-full", modality=name, scout=False, height_px=96, width_px=96),
    ]


def _map_expert(name: str, side_px: int, scout: bool) -> ImageExpert:
    """Small maps of few categories (wafers): values must not be mixed, and they have no orientation."""
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
    """Of wafers, rings and sectors are the scout: beside them a network adds more than beside a smaller network.

    Area under the curve of 300 calibration maps each of five draws: rings .966, networks of 32 px .960, narrow ones of
    48 px .972; 32 and 48 px together .977, rings and 48 px .980, and .979 in 15 passes in place of 25.
    """
    full = _map_expert(name, 48, scout=False)
    values = set(np.unique(np.concatenate([np.unique(picture) for picture in pictures])).tolist())
    if not values <= set(map(int, WAFER_LEVELS)):
        return [_map_expert(name, 32, scout=True), full]
    quick = Fitting(epochs=15, every_fold=len(pictures) <= FEW_MAPS)
    rings = {"name": f"{name}-rings", "scout": True, "encoder": "rings", "readout": "kernel"}
    return [full.model_copy(update={"encoder": "mini", "fitting": quick}), full.model_copy(update=rings)]


def _pretrained(name: str) -> list[ExpertConfig]:
    """Few pictures: the network stands still, and folds say how large a picture is worth it.

    Statistics of a thumbnail and evidence place by place know different things: of cells, .878 and .916 area under the
    curve by themselves, .931 together (grouped folds).
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
    """Sound is looked at as log-mel, vibration and traces as raw samples; networks where there is enough for them."""
    name = modality.name
    network: Literal["log_mel", "tcn"] = "log_mel" if modality.kind == "audio" else "tcn"
    profile: Literal["sound_profile", "trace_profile"] = (
        "sound_profile" if modality.kind == "audio" else "trace_profile"
    )
    scaling: Literal["none", "standard"] = "none" if modality.kind == "audio" else "standard"
    machine = SignalExpert(name=f"{name}-profile", modality=name, encoder=profile, scaling=scaling, num_mels=64, hop=64)
    fitting = Fitting(epochs=NETWORK_EPOCHS)
    other = SignalExpert(name=f"{name}-network", modality=name, encoder=network, scaling=scaling, fitting=fitting)
    return [machine] if num_recordings < ENOUGH_FOR_NETWORKS else [machine, other]
