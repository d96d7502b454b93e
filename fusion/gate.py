"""Weighs experts against each other, per piece.

Letters: B batch, E experts, N tokens, D width, O = 1 + K outputs.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

ABSENT = -1e4
"""Added to the score of an absent entry: its softmax weight is exactly 0, in half precision too."""


class Gate(nn.Module):
    """One small MLP per expert scores its mean token and its logits; all scores are equal before training."""

    def __init__(self, num_experts: int, token_dim: int, num_outputs: int, width: int = 16) -> None:
        super().__init__()
        self.scorers = nn.ModuleList(_scorer(token_dim + num_outputs, width) for _ in range(num_experts))

    def forward(
        self, tokens: Sequence[Float[Tensor, "B N D"]], logits: Sequence[Float[Tensor, "B O"]]
    ) -> Float[Tensor, "B E"]:
        scores = [
            score(torch.cat([token.mean(1), out], dim=1))
            for score, token, out in zip(self.scorers, tokens, logits, strict=True)
        ]
        return torch.cat(scores, dim=1)


def _scorer(num_inputs: int, width: int) -> nn.Sequential:
    last = nn.Linear(width, 1)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.LayerNorm(num_inputs), nn.Linear(num_inputs, width), nn.ReLU(), last)


def masked_softmax(scores: Float[Tensor, "B E"], present: Float[Tensor, "B E"]) -> Float[Tensor, "B E"]:
    """Weights over the present entries, summing to 1; all 0 if none is present."""
    return torch.softmax(scores + (1 - present) * ABSENT, dim=1) * present
