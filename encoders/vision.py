"""Turns image tiles into multi-scale tokens, logits and a class activation map.

Letters: B batch, T tiles, C channels, H rows, W columns.
"""

from dataclasses import dataclass
from pathlib import Path

import timm
import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor, nn

from encoders.front_end import ImageForm
from encoders.tokens import Encoded, Readout, TinyBackbone, measure

SCRATCH = {"tiny": (24, 48, 96), "mini": (12, 24, 48), "micro": (6, 12, 24)}
"""Widths of the small networks trained from scratch, by name (the latter two are students); others are timm's."""


@dataclass(frozen=True)
class Weights:
    """Where a timm backbone starts: a local safetensors file, timm's own download, or random."""

    file: Path | None = None
    pretrained: bool = False


@dataclass(frozen=True)
class Shape:
    """Network, the stages that are read, and whether places are read together with their neighbours."""

    name: str
    stages: tuple[int, ...] = (-2, -1)
    context: bool = False


class VisionEncoder(nn.Module):
    """One backbone over all tiles; their feature maps are stitched before pooling."""

    def __init__(self, shape: Shape, form: ImageForm, weights: Weights, token_dim: int, num_classes: int) -> None:
        super().__init__()
        self.rows, self.cols = form.rows, form.cols
        name = shape.name
        self.num_levels = len(shape.stages)
        self.backbone = _backbone(shape, form, weights)
        scale, offset = ([1.0], [0.0]) if name in SCRATCH else normalisation(name, form)
        self.register_buffer("scale", torch.as_tensor(scale).reshape(-1, 1, 1), persistent=False)
        self.register_buffer("offset", torch.as_tensor(offset).reshape(-1, 1, 1), persistent=False)
        probe = torch.zeros(1, form.rows * form.cols, form.num_channels, form.tile_height_px, form.tile_width_px)
        self.backbone.eval()
        with torch.no_grad():
            levels = measure(self.maps(probe))
        self.readout = Readout(levels, token_dim, num_classes, context=shape.context)
        self.num_tokens = self.readout.num_tokens

    def forward(self, image: Float[Tensor, "B T C H W"]) -> Encoded:
        encoded: Encoded = self.readout(self.maps(image))
        return encoded

    def maps(self, image: Float[Tensor, "B T C H W"]) -> list[Tensor]:
        """Feature maps of the chosen stages, tiles stitched."""
        tiles = image.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        maps = self.backbone(tiles * self.get_buffer("scale") + self.get_buffer("offset"))
        return [stitched(level, self.rows, self.cols) for level in maps[-self.num_levels :]]


def stitched(level: Float[Tensor, "BT c h w"], rows: int, cols: int) -> Float[Tensor, "B c Rh Cw"]:
    """Feature maps of tiles as one map of the picture."""
    if rows * cols == 1:
        return level
    _, channels, height, width = level.shape
    tiled = level.reshape(-1, rows, cols, channels, height, width).permute(0, 3, 1, 4, 2, 5)
    return tiled.reshape(-1, channels, rows * height, cols * width)


def _backbone(shape: Shape, form: ImageForm, weights: Weights) -> nn.Module:
    if shape.name in SCRATCH:
        return TinyBackbone(form.num_channels, SCRATCH[shape.name])
    model: nn.Module = timm.create_model(
        shape.name,
        features_only=True,
        pretrained=weights.pretrained and weights.file is None,
        in_chans=form.num_channels,
        out_indices=shape.stages,
    )
    load_weights(model, shape.name, weights)
    return model


def load_weights(model: nn.Module, name: str, weights: Weights) -> None:
    """Loads a local file into a timm model, if one is given. Raises ValueError if it belongs to another model."""
    if weights.file is None:
        return
    keys = model.load_state_dict(load_file(weights.file), strict=False)
    if keys.missing_keys:
        raise ValueError(
            f"{weights.file} lacks {len(keys.missing_keys)} weights of {name}, first {keys.missing_keys[0]}: "
            "give the safetensors file of that timm model, with three input channels"
        )


def normalisation(name: str, form: ImageForm) -> tuple[list[float], list[float]]:
    """(scale, offset) from the form's normalisation to that of the backbone's pretraining: x * scale + offset."""
    config = timm.get_pretrained_cfg(name)
    if config is None or form.num_channels != len(config.mean):
        return [1.0], [0.0]
    means, stds = config.mean, config.std
    return [form.std / std for std in stds], [(form.mean - mean) / std for mean, std in zip(means, stds, strict=True)]
