"""Learns from good pieces which pictures and sounds match, in order to detect mismatched pieces.

Uses good pieces only. Symmetric InfoNCE (van den Oord et al. 2018; Radford et al. 2021).
Letters: P pieces, N and M tokens, D width.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from fusion.agreement import Agreement
from fusion.calibration import fit

STEPS, BATCH_SIZE, LEARNING_RATE = 100, 128, 3e-3
SHARPNESS = 5.0
"""Inverse temperature of the softmax over the batch."""


def contrast(
    agreement: Agreement, first_PND: Float[Tensor, "P N D"], second_PMD: Float[Tensor, "P M D"]
) -> Float[Tensor, ""]:
    """Loss of matching each picture to its sound within the batch, and vice versa."""
    first_PS, second_PS = agreement.project(first_PND, second_PMD)
    likeness_PP = first_PS @ second_PS.T * SHARPNESS
    partner = torch.arange(len(likeness_PP))
    loss: Tensor = nn.functional.cross_entropy(likeness_PP, partner) + nn.functional.cross_entropy(
        likeness_PP.T, partner
    )
    return loss / 2


def align(
    agreement: Agreement, first_PND: Float[Tensor, "P N D"], second_PMD: Float[Tensor, "P M D"], steps: int = STEPS
) -> None:
    """Fits the projections to the tokens of good pieces; the tokens are fixed."""
    projections = [*agreement.first.parameters(), *agreement.second.parameters()]
    optimiser = torch.optim.AdamW(projections, lr=LEARNING_RATE, weight_decay=0.05)
    for _ in range(steps):
        rows = torch.randperm(len(first_PND))[:BATCH_SIZE]
        optimiser.zero_grad()
        contrast(agreement, first_PND[rows], second_PMD[rows]).backward()  # type: ignore[no-untyped-call]
        optimiser.step()


@torch.no_grad()
def scale(
    agreement: Agreement,
    first_PND: Float[Tensor, "P N D"],
    second_PMD: Float[Tensor, "P M D"],
    targets_PO: Float[Tensor, "P O"],
) -> None:
    """Fits Platt's sigmoid of the distance for the defect and each class in these pieces; NaN is unknown."""
    distances = agreement.distance(first_PND, second_PMD)
    for output, targets in enumerate(targets_PO.T):
        known = ~targets.isnan()
        labels = targets[known].numpy() > 0.5
        if labels.all() or not labels.any():
            continue
        sigmoid = fit(distances[known].numpy().astype(np.float64), labels)
        agreement.slope[output], agreement.bias[output] = 1 / sigmoid.temperature, sigmoid.bias
