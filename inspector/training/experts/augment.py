"""Augments batches of training inputs with changes that keep their labels.

Letters: B batch, C channels, H rows, W columns, S samples.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inspector.training.config import ImageExpert, SignalExpert


def augment_pictures(pictures_BCHW: Float[Tensor, "B C H W"], config: ImageExpert) -> Float[Tensor, "B C H W"]:
    """Turns, mirrors and shifts whole pictures by up to 4 %, and changes contrast and brightness."""
    batch = len(pictures_BCHW)
    if config.turn != "none":
        quarters = torch.randint(4, (batch,)) * (math.pi / 2)
        angles = torch.rand(batch) * (2 * math.pi) if config.turn == "any" else quarters
        mirror = torch.where(torch.rand(batch) < 0.5, -1.0, 1.0)
        pictures_BCHW = _warp(pictures_BCHW, angles, mirror, nearest=config.interpolation == "nearest")
    if config.jitter == 0:
        return pictures_BCHW
    contrast = 1 + config.jitter * (2 * torch.rand(batch, 1, 1, 1) - 1)
    brightness = config.jitter * (2 * torch.rand(batch, 1, 1, 1) - 1)
    return pictures_BCHW * contrast + brightness


def _warp(
    pictures_BCHW: Float[Tensor, "B C H W"], angles_B: Float[Tensor, " B"], mirror_B: Float[Tensor, " B"], nearest: bool
) -> Float[Tensor, "B C H W"]:
    cos, sin = angles_B.cos(), angles_B.sin()
    shift = 0.08 * (torch.rand(len(angles_B), 2) - 0.5)
    rows = torch.stack([cos * mirror_B, -sin, shift[:, 0]], 1), torch.stack([sin * mirror_B, cos, shift[:, 1]], 1)
    grid = nn.functional.affine_grid(torch.stack(rows, dim=1), list(pictures_BCHW.shape), align_corners=False)
    mode = "nearest" if nearest else "bilinear"
    return nn.functional.grid_sample(pictures_BCHW, grid, mode, "reflection", align_corners=False)


def augment_signals(signals_BCS: Float[Tensor, "B C S"], config: SignalExpert) -> Float[Tensor, "B C S"]:
    """Changes loudness and spectrum, adds noise and shifts in time, in proportion to `jitter`; edges repeat."""
    batch, _, length = signals_BCS.shape
    gain = 1 + config.jitter * torch.randn(batch, 1, 1)
    level = signals_BCS.std(2, keepdim=True)
    noisy = _filtered(signals_BCS, config.jitter) * gain + 0.3 * config.jitter * level * torch.randn_like(signals_BCS)
    shift = (0.3 * config.jitter * length * (2 * torch.rand(batch, 1, 1) - 1)).round().long()
    positions = (torch.arange(length)[None, None] + shift).clamp(0, length - 1)
    return noisy.gather(2, positions.expand_as(noisy))


def _filtered(signals_BCS: Float[Tensor, "B C S"], strength: float) -> Float[Tensor, "B C S"]:
    """Tilts each spectrum slightly: x(t) + c (x(t) - x(t - 1)), c up to `strength` in either direction."""
    tilt = strength * (2 * torch.rand(len(signals_BCS), 1, 1) - 1)
    before = torch.cat([signals_BCS[:, :, :1], signals_BCS[:, :, :-1]], dim=2)
    return signals_BCS + tilt * (signals_BCS - before)
