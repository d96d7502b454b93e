"""Saves a trained bundle as weights and JSON, and loads it again.

A checkpoint allows exporting a bundle again, with another version or for another runtime, without training.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from pydantic import Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from fusion.head import FusionHead, HeadForm, Member
from inspector.bundle.schema import Calibration, Certificate, ImageInput, Modality, Platt, Policy, SignalInput
from inspector.training.config import ExpertConfig, ImageExpert, Section
from inspector.training.errors import CheckpointError
from inspector.training.export import TrainedBundle, TrainedExpert
from inspector.training.inputs import build_encoder

CONTENT_NAME = "checkpoint.json"
WEIGHTS_NAME = "weights.safetensors"


class SavedExpert(Section):
    config: ExpertConfig
    """Its training configuration."""
    input: ImageInput | SignalInput = Field(discriminator="type")
    """How a recording is turned into its input."""


class Checkpoint(Section):
    """The whole of `checkpoint.json`."""

    name: str
    """Name of the bundle."""
    version: str
    """Version of the bundle."""
    classes: tuple[str, ...]
    """Defect classes."""
    token_dim: int
    """Width of every expert's tokens."""
    modalities: tuple[Modality, ...]
    """Cameras and sensors."""
    experts: tuple[SavedExpert, ...]
    """Encoders, in the order of the head's inputs."""
    calibrations: tuple[Calibration, ...]
    """As in the bundle."""
    policy: Policy
    """As in the bundle."""
    own_calibrations: Mapping[str, Platt] = {}
    """Calibration of each expert's own log-odds, by name, as in the bundle."""
    rough_calibrations: Mapping[str, Platt] = {}
    """As in the bundle."""
    certificate: Certificate | None = None
    """As in the bundle."""
    provenance: Mapping[str, str | int | float]
    """As in the bundle."""
    card: str
    """The model card, in Markdown."""
    compared: tuple[tuple[int, int], ...] = ()
    """Pairs of experts whose contradiction the head detects."""


def save_checkpoint(folder: Path, trained: TrainedBundle) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    content = Checkpoint(
        name=trained.name,
        version=trained.version,
        classes=trained.classes,
        token_dim=trained.token_dim,
        modalities=trained.modalities,
        experts=tuple(SavedExpert(config=expert.config, input=expert.input) for expert in trained.experts),
        calibrations=trained.calibrations,
        policy=trained.policy,
        own_calibrations=trained.own_calibrations,
        rough_calibrations=trained.rough_calibrations,
        certificate=trained.certificate,
        provenance=trained.provenance,
        card=trained.card,
        compared=trained.head.pairs,
    )
    save_file({name: tensor.contiguous() for name, tensor in _weights(trained).items()}, folder / WEIGHTS_NAME)
    (folder / CONTENT_NAME).write_text(content.model_dump_json(indent=2) + "\n", encoding="utf-8")


def load_checkpoint(folder: Path) -> TrainedBundle:
    """Raises CheckpointError."""
    try:
        content = Checkpoint.model_validate_json((folder / CONTENT_NAME).read_bytes())
        weights = load_file(folder / WEIGHTS_NAME)
    except (OSError, ValidationError, SafetensorError) as exc:
        remedy = "name a folder that `inspector train --checkpoint` wrote, with this version of inspector"
        why = f"cannot be read ({exc.strerror})" if isinstance(exc, OSError) else str(exc)
        raise CheckpointError(f"{folder}: {why}; {remedy}") from exc
    widths = (content.token_dim, len(content.classes))
    experts = tuple(_expert(saved, widths) for saved in content.experts)
    members = tuple(Member(expert.modality, expert.num_tokens) for expert in experts)
    trained = TrainedBundle(
        name=content.name,
        version=content.version,
        classes=content.classes,
        token_dim=content.token_dim,
        modalities=content.modalities,
        experts=experts,
        head=FusionHead(HeadForm(members, *widths, content.compared)).eval(),
        calibrations=content.calibrations,
        policy=content.policy,
        own_calibrations=content.own_calibrations,
        rough_calibrations=content.rough_calibrations,
        certificate=content.certificate,
        provenance=content.provenance,
        card=content.card,
    )
    for name, module in _modules(trained).items():
        state = {key.removeprefix(f"{name}/"): value for key, value in weights.items() if key.startswith(f"{name}/")}
        module.load_state_dict(state)
    return trained


def _expert(saved: SavedExpert, widths: tuple[int, int]) -> TrainedExpert:
    config = saved.config
    bare = config.model_copy(update={"pretrained": False}) if isinstance(config, ImageExpert) else config
    return TrainedExpert(config, saved.input, build_encoder(bare, saved.input, widths, {}))


def _modules(trained: TrainedBundle) -> dict[str, nn.Module]:
    return {"head": trained.head} | {f"experts/{expert.name}": expert.module for expert in trained.experts}


def _weights(trained: TrainedBundle) -> dict[str, torch.Tensor]:
    modules = _modules(trained).items()
    return {f"{name}/{key}": value for name, module in modules for key, value in module.state_dict().items()}
