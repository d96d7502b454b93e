"""Learns from good pieces which pictures and sounds go together, and scores how little those of a piece do.

Knows no label but that the pieces it learns from are good. On pairs made up from independent recordings there is
nothing to learn. Symmetric InfoNCE (van den Oord et al. 2018; Radford et al. 2021).
Letters: P pieces, N and M tokens, D width, E width of the space that both are projected into.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

EMBEDDING_DIM = 16
STEPS, BATCH_SIZE, LEARNING_RATE = 300, 128, 3e-3


class Alignment(nn.Module):
    """A small projection per modality into one space, where what belongs together lies close."""

    def __init__(self, token_dim: int) -> None:
        super().__init__()
        self.first, self.second = _projection(token_dim), _projection(token_dim)
        self.log_scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, first_PND: Float[Tensor, "P N D"], second_PMD: Float[Tensor, "P M D"]) -> tuple[Tensor, Tensor]:
        """Unit vectors (P, E) of both."""
        projected = self.first(first_PND.mean(1)), self.second(second_PMD.mean(1))
        return nn.functional.normalize(projected[0], dim=1), nn.functional.normalize(projected[1], dim=1)

    def contrast(self, first_PND: Float[Tensor, "P N D"], second_PMD: Float[Tensor, "P M D"]) -> Float[Tensor, ""]:
        """Each picture is to name its own sound among those of the batch, and the other way round."""
        first_PE, second_PE = self(first_PND, second_PMD)
        likeness_PP = first_PE @ second_PE.T * self.log_scale.clamp(max=4.0).exp()
        own = torch.arange(len(likeness_PP))
        loss: Tensor = nn.functional.cross_entropy(likeness_PP, own) + nn.functional.cross_entropy(likeness_PP.T, own)
        return loss / 2


def _projection(token_dim: int) -> nn.Sequential:
    return nn.Sequential(nn.LayerNorm(token_dim), nn.Linear(token_dim, 64), nn.ReLU(), nn.Linear(64, EMBEDDING_DIM))


def fit_alignment(
    first_PND: Float[Tensor, "P N D"], second_PMD: Float[Tensor, "P M D"], seed: int, steps: int = STEPS
) -> Alignment:
    """On the tokens of good pieces only, which stay as they are."""
    torch.manual_seed(seed)
    alignment = Alignment(first_PND.shape[2])
    optimiser = torch.optim.AdamW(alignment.parameters(), lr=LEARNING_RATE, weight_decay=0.05)
    for _ in range(steps):
        rows = torch.randperm(len(first_PND))[:BATCH_SIZE]
        optimiser.zero_grad()
        alignment.contrast(first_PND[rows], second_PMD[rows]).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return alignment.eval()


@torch.no_grad()
def inconsistency(
    alignment: Alignment, first_PND: Float[Tensor, "P N D"], second_PMD: Float[Tensor, "P M D"]
) -> Float[Tensor, " P"]:
    """From 0, picture and sound go together, to 2, they contradict each other."""
    first_PE, second_PE = alignment(first_PND, second_PMD)
    distance: Tensor = 1 - (first_PE * second_PE).sum(1)
    return distance
