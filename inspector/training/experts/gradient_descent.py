"""Minimises a loss over batches with AdamW and a one-cycle learning rate."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class DescentSettings:
    """Length and step size; the learning rate rises and falls once over all steps."""

    epochs: int
    learning_rate: float
    batch_size: int = 32


def gradient_descent(
    module: nn.Module,
    loss_of: Callable[[Tensor], Tensor],
    num_recordings: int,
    plan: DescentSettings,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """`loss_of` receives the indices of a batch; the training or evaluation mode of the module stays unchanged."""
    batches = max(1, math.ceil(num_recordings / plan.batch_size))
    optimiser = torch.optim.AdamW(module.parameters(), lr=plan.learning_rate, weight_decay=0.02)
    pace = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, plan.learning_rate, total_steps=batches * plan.epochs, pct_start=0.2
    )
    for epoch in range(plan.epochs):
        for rows in torch.randperm(num_recordings).tensor_split(batches):
            optimiser.zero_grad()
            loss_of(rows).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(module.parameters(), 5.0)
            optimiser.step()
            pace.step()
        progress(epoch + 1, plan.epochs)
