"""Proposes experts for a manifest's cameras and sensors where the configuration names none. Knows no network."""

from collections.abc import Collection, Sequence

import numpy as np

from encoders.front_end import Image
from inspector.bundle.schema import Modality
from inspector.training.config import ExpertConfig, ImageExpert, SignalExpert

SMALL_BACKBONE = "tf_mobilenetv3_small_075"
MAP_SIDE_PX = 96
MAP_LEVELS = 8


def camera_experts(name: str, pictures: Sequence[Image], weights: Collection[str]) -> list[ExpertConfig]:
    """A scout over a thumbnail, an expert over the picture; pretrained only where weights were given."""
    if all(max(picture.shape[:2]) <= MAP_SIDE_PX and len(np.unique(picture)) <= MAP_LEVELS for picture in pictures):
        return [_map_expert(name, 32, scout=True), _map_expert(name, 48, scout=False)]
    if SMALL_BACKBONE in weights:
        return [_pretrained(name, 96, scout=True), _pretrained(name, 224, scout=False)]
    return [
        ImageExpert(name=f"{name}-scout", modality=name, scout=True, height_px=48, width_px=48),
        ImageExpert(name=f"{name}-full", modality=name, scout=False, height_px=96, width_px=96),
    ]


def _map_expert(name: str, side_px: int, scout: bool) -> ImageExpert:
    """Small maps of few categories (wafers): values must not be mixed, and they have no orientation."""
    return ImageExpert(
        name=_expert_name(name, scout),
        modality=name,
        scout=scout,
        height_px=side_px,
        width_px=side_px,
        interpolation="nearest",
        turn="any",
        jitter=0.0,
    )


def _pretrained(name: str, side_px: int, scout: bool) -> ImageExpert:
    return ImageExpert(
        name=_expert_name(name, scout),
        modality=name,
        scout=scout,
        encoder=SMALL_BACKBONE,
        freeze=True,
        num_channels=3,
        height_px=side_px,
        width_px=side_px,
    )


def _expert_name(name: str, scout: bool) -> str:
    return f"{name}-scout" if scout else f"{name}-full"


def sensor_expert(modality: Modality) -> ExpertConfig:
    """Sound is looked at as log-mel, vibration and traces as raw samples."""
    name = f"{modality.name}-scout"
    if modality.kind == "audio":
        return SignalExpert(name=name, modality=modality.name, encoder="log_mel", scaling="none")
    return SignalExpert(name=name, modality=modality.name, encoder="tcn")
