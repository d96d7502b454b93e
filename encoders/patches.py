"""Turns image tiles into maps of local descriptors without training: a frozen network, or fixed filters.

Uses the last two stages of the network (strides 16 and 32 of a small MobileNet, AUC .80 on tiles, calibration splits,
50 good pieces); the middle ones, which PatchCore uses (strides 8 and 16), reached AUC .61.
Letters: B batch, T tiles, C channels, H rows, W columns.
"""

import timm
import torch
from jaxtyping import Float
from torch import Tensor, nn

from encoders.front_end import ImageForm
from encoders.vision import Weights, load_weights, normalisation

NUM_SCALES, NUM_ORIENTATIONS = 4, 6
WAVELENGTH_PX = 4.0
"""Wavelength of the finest filters; each scale halves the picture."""
ENERGY_FLOOR = 1e-2
"""Filter responses below this are camera noise (grey values run from -1 to 1)."""


class NetworkPatches(nn.Module):
    """The two last stages of a frozen timm network, averaged over 3 x 3 places, at the finer one's size."""

    def __init__(self, name: str, form: ImageForm, weights: Weights) -> None:
        super().__init__()
        self.network = timm.create_model(
            name, features_only=True, pretrained=weights.pretrained and weights.file is None, out_indices=(-2, -1)
        )
        load_weights(self.network, name, weights)
        self.network.requires_grad_(False).eval().to(memory_format=torch.channels_last)
        scale, offset = normalisation(name, form)
        self.register_buffer("scale", torch.as_tensor(scale).reshape(-1, 1, 1))
        self.register_buffer("offset", torch.as_tensor(offset).reshape(-1, 1, 1))

    def forward(self, image: Float[Tensor, "B 1 3 H W"]) -> Float[Tensor, "B C h w"]:
        pixels = image.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        fine, coarse = self.network(pixels * self.get_buffer("scale") + self.get_buffer("offset"))
        fine, coarse = (nn.functional.avg_pool2d(level, 3, 1, 1, count_include_pad=False) for level in (fine, coarse))
        return torch.cat([fine, nn.functional.interpolate(coarse, size=fine.shape[2:], mode="nearest")], dim=1)


class FilterPatches(nn.Module):
    """Log energies of Gabor filters at four scales and mean grey value, over cells of 16 px: needs no weights."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filters", gabor_filters())

    def forward(self, image: Float[Tensor, "B 1 1 H W"]) -> Float[Tensor, "B C h w"]:
        pixels, cell_px = image.flatten(0, 1), 2**NUM_SCALES
        levels = [nn.functional.avg_pool2d(pixels, cell_px)]
        for _ in range(NUM_SCALES):
            responses = nn.functional.conv2d(pixels, self.get_buffer("filters"), padding="same")
            even, odd = responses.chunk(2, dim=1)
            energies = ((even * even + odd * odd).sqrt() + ENERGY_FLOOR).log()
            levels.append(nn.functional.avg_pool2d(energies, cell_px))
            pixels, cell_px = nn.functional.avg_pool2d(pixels, 2), cell_px // 2
        return nn.functional.avg_pool2d(torch.cat(levels, dim=1), 3, 1, 1, count_include_pad=False)


def gabor_filters() -> Float[Tensor, "F 1 h w"]:
    """All cosines, then all sines: zero mean, absolute sum 1."""
    reach = torch.arange(-3, 4, dtype=torch.float32)
    rows, cols = torch.meshgrid(reach, reach, indexing="ij")
    window = torch.exp(-(rows**2 + cols**2) / (2 * (0.4 * WAVELENGTH_PX) ** 2))
    angles = torch.arange(NUM_ORIENTATIONS) * torch.pi / NUM_ORIENTATIONS
    waves = [(cols * a.cos() + rows * a.sin()) * 2 * torch.pi / WAVELENGTH_PX for a in angles]
    filters = torch.stack([window * wave.cos() for wave in waves] + [window * wave.sin() for wave in waves])
    filters = filters - window * (filters.sum((1, 2), keepdim=True) / window.sum())
    return (filters / filters.abs().sum((1, 2), keepdim=True))[:, None]
