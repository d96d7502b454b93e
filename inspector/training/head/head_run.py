"""Fits a fusion head step by step from noisy-or of calibrated experts, and can return part of the way to it.

Letters: P pieces, E experts, O = 1 + K outputs, S sets of experts.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from fusion.head import FusionHead, HeadForm
from inspector.training.config import HeadFitting
from inspector.training.experts.network import multi_label_loss
from inspector.training.experts.scale import log_slope, platt
from inspector.training.head.head_data import Encodings, HeadData

State = Mapping[str, Tensor]


class HeadRun:
    """One fit; remembers the head at each number of steps that `walk` was asked for."""

    def __init__(self, form: HeadForm, head_data: HeadData, settings: HeadFitting, seed: int) -> None:
        torch.manual_seed(seed)
        self.head = FusionHead(form)
        self._head_data = head_data
        calibrate_experts(self.head, head_data)
        self._states: dict[int, State] = {0: _copy(self.head)}
        self._optimiser = torch.optim.AdamW(
            self.head.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )

    def walk(self, checks: Sequence[int]) -> None:
        """Steps on from 0 to each of `checks`, ascending."""
        self.head.train()
        done = 0
        for steps in checks:
            for _ in range(steps - done):
                self._step()
            done = steps
            self._states[steps] = _copy(self.head)
        self.head.eval()

    def head_at(self, steps: int, weight: float = 1.0) -> FusionHead:
        """The head `weight` of the way from noisy-or to that number of steps, in its parameters."""
        start, fitted = self._states[0], self._states[steps]
        self.head.load_state_dict({name: start[name].lerp(fitted[name], weight) for name in start})
        return self.head.eval()

    def outputs(self, encodings: Encodings, steps: int, weight: float = 1.0) -> Float[Tensor, "S P O"]:
        head = self.head_at(steps, weight)
        with torch.no_grad():
            return torch.stack([encodings.read(head, ran).logits for ran in self._head_data.sets])

    def _step(self) -> None:
        """Modality dropout: half of the pieces with all modalities, the others with a random set of experts."""
        head_data = self._head_data
        num_sets, num_pieces = head_data.targets.shape[:2]
        whole = torch.tensor(head_data.whole).nonzero()[:, 0]
        chosen = torch.randint(num_sets, (num_pieces,))
        full = whole[torch.randint(len(whole), (num_pieces,))]
        chosen = torch.where(torch.rand(num_pieces) < 0.5, full, chosen)
        fused = head_data.encodings.read(self.head, head_data.sets[chosen])
        targets = head_data.targets[chosen, torch.arange(num_pieces)]
        self._optimiser.zero_grad()
        multi_label_loss(fused.logits, targets, torch.tensor(1.0)).backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()


def _copy(head: FusionHead) -> State:
    return {name: values.detach().clone() for name, values in head.state_dict().items()}


@torch.no_grad()
def calibrate_experts(head: FusionHead, head_data: HeadData) -> None:
    """Fits a sigmoid per expert for the defect; classes keep their log-odds until they are fitted."""
    for index, logits in enumerate(head_data.encodings.logits):
        known = head_data.own_known(index)
        labels = head_data.own_targets[index][known].numpy() > 0.5
        sigmoid = platt(logits[known, 0].numpy().astype(np.float64), labels)
        head.log_slope[index, 0], head.bias[index, 0] = log_slope(sigmoid), sigmoid.bias
