"""Compares the tokens of two experts of different modalities and estimates how likely they contradict each other.

A defect may show in neither recording alone, only in their combination: a mark that should ring and does not.
Letters: B batch, N and M tokens, D width, S width of the space that both are projected into, O = 1 + K outputs.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

SPACE_DIM = 16
UNLIKELY = -6.0
"""Log-odds before the pair is trained."""


class Agreement(nn.Module):
    """A small projection per expert brings matching recordings close together; log-odds grow with the distance."""

    def __init__(self, token_dim: int, num_outputs: int) -> None:
        super().__init__()
        self.first, self.second = _projection(token_dim), _projection(token_dim)
        self.slope = nn.Parameter(torch.zeros(num_outputs))
        self.bias = nn.Parameter(torch.full((num_outputs,), UNLIKELY))

    def forward(self, first_BND: Float[Tensor, "B N D"], second_BMD: Float[Tensor, "B M D"]) -> Float[Tensor, "B O"]:
        return self.distance(first_BND, second_BMD)[:, None] * self.slope + self.bias

    def distance(self, first_BND: Float[Tensor, "B N D"], second_BMD: Float[Tensor, "B M D"]) -> Float[Tensor, " B"]:
        """From 0 (they match) to 2 (they contradict each other)."""
        first_BS, second_BS = self.project(first_BND, second_BMD)
        return 1 - (first_BS * second_BS).sum(1)

    def project(self, first_BND: Float[Tensor, "B N D"], second_BMD: Float[Tensor, "B M D"]) -> tuple[Tensor, Tensor]:
        """Unit vectors (B, S) of both."""
        projected = self.first(first_BND.mean(1)), self.second(second_BMD.mean(1))
        return nn.functional.normalize(projected[0], dim=1), nn.functional.normalize(projected[1], dim=1)


def _projection(token_dim: int) -> nn.Sequential:
    return nn.Sequential(nn.LayerNorm(token_dim), nn.Linear(token_dim, 64), nn.ReLU(), nn.Linear(64, SPACE_DIM))
