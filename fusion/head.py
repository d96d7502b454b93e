"""Fuses the outputs of the experts that ran on a piece into its log-odds.

The head starts as noisy-or of each present modality's gate-weighted log-odds (a piece is defective if any modality
shows a defect); for compared pairs of experts, their disagreement is one more input of the noisy-or. Attention over the
tokens adds a residual that starts at zero: every deviation from noisy-or is learned.
Letters: B batch, E experts, N tokens, D width, O = 1 + K outputs (defect, then classes).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fusion.agreement import Agreement
from fusion.attention import ModalityAwareAttention
from fusion.gate import ABSENT, Gate, masked_softmax

LIMIT = 30.0
"""Log-odds beyond this are certainty; float32 cannot distinguish them."""


class Member(NamedTuple):
    """An expert, as the head needs it."""

    modality: str
    num_tokens: int


@dataclass(frozen=True)
class HeadForm:
    members: tuple[Member, ...]
    token_dim: int
    num_classes: int
    pairs: tuple[tuple[int, int], ...] = ()
    """Indices of the members that are compared with each other."""

    def modalities(self) -> list[str]:
        return list(dict.fromkeys(member.modality for member in self.members))


class Fused(NamedTuple):
    logits: Float[Tensor, "B O"]
    gate: Float[Tensor, "B E"]


class FusionHead(nn.Module):
    def __init__(self, form: HeadForm) -> None:
        super().__init__()
        num_outputs, num_experts = 1 + form.num_classes, len(form.members)
        modalities = form.modalities()
        owners = [modalities.index(member.modality) for member in form.members]
        counts = torch.tensor([member.num_tokens for member in form.members])
        self.log_slope = nn.Parameter(torch.zeros(num_experts, num_outputs))
        self.bias = nn.Parameter(torch.zeros(num_experts, num_outputs))
        self.form, self.pairs = form, form.pairs
        self.agreements = nn.ModuleList(Agreement(form.token_dim, num_outputs) for _ in form.pairs)
        self.gate = Gate(num_experts, form.token_dim, num_outputs)
        self.norm = nn.LayerNorm(form.token_dim)
        self.kind = nn.Parameter(0.1 * torch.randn(num_experts, form.token_dim))
        self.attention = ModalityAwareAttention(form.token_dim, torch.tensor(owners).repeat_interleave(counts).tolist())
        self.residual = _residual(form.token_dim, num_outputs)
        spread = nn.functional.one_hot(torch.arange(num_experts).repeat_interleave(counts), num_experts).float()
        self.register_buffer("spread_NE", spread, persistent=False)
        self.register_buffer("mean_EN", spread.T / counts[:, None], persistent=False)
        self.register_buffer("owner_ME", nn.functional.one_hot(torch.tensor(owners)).float().T, persistent=False)

    def forward(
        self,
        tokens: Sequence[Float[Tensor, "B n D"]],
        logits: Sequence[Float[Tensor, "B O"]],
        present_BE: Float[Tensor, "B E"],
    ) -> Fused:
        scores_BE = self.gate(tokens, logits)
        gate_BE = masked_softmax(scores_BE, present_BE)
        calibrated_BEO = torch.stack(tuple(logits), dim=1) * self.log_slope.exp() + self.bias
        parts = self._modality_logits(calibrated_BEO, scores_BE, present_BE) + self._disagreement_logits(
            tokens, present_BE
        )
        return Fused(
            reduce(noisy_or, parts) + self._residual_logits(torch.cat(tuple(tokens), dim=1), present_BE, gate_BE),
            gate_BE,
        )

    def _modality_logits(
        self, calibrated_BEO: Float[Tensor, "B E O"], scores_BE: Float[Tensor, "B E"], present_BE: Float[Tensor, "B E"]
    ) -> list[Float[Tensor, "B O"]]:
        """Per modality, the mean of its experts' log-odds weighted by the gate."""
        parts = []
        for owned_E in self.get_buffer("owner_ME"):
            here_BE = present_BE * owned_E
            mean_BO = (masked_softmax(scores_BE, here_BE)[:, :, None] * calibrated_BEO).sum(1)
            parts.append(_bounded(mean_BO, here_BE.amax(1)))
        return parts

    def _disagreement_logits(
        self, tokens: Sequence[Float[Tensor, "B n D"]], present_BE: Float[Tensor, "B E"]
    ) -> list[Float[Tensor, "B O"]]:
        """Per compared pair, the log-odds of a contradiction, where both experts ran."""
        return [
            _bounded(agreement(tokens[first], tokens[second]), present_BE[:, first] * present_BE[:, second])
            for agreement, (first, second) in zip(self.agreements, self.pairs, strict=True)
        ]

    def _residual_logits(
        self, tokens_BND: Float[Tensor, "B N D"], present_BE: Float[Tensor, "B E"], gate_BE: Float[Tensor, "B E"]
    ) -> Float[Tensor, "B O"]:
        spread_NE = self.get_buffer("spread_NE")
        marked_BND = self.norm(tokens_BND) + spread_NE @ self.kind
        attended_BND = marked_BND + self.attention(marked_BND, present_BE @ spread_NE.T)
        means_BED = self.get_buffer("mean_EN") @ attended_BND
        residual_BO: Tensor = self.residual((gate_BE[:, :, None] * means_BED).sum(1))
        return residual_BO


def _bounded(logits_BO: Float[Tensor, "B O"], here_B: Float[Tensor, " B"]) -> Float[Tensor, "B O"]:
    return logits_BO.clamp(-LIMIT, LIMIT) + (1 - here_B)[:, None] * ABSENT


def noisy_or(first: Float[Tensor, "B O"], second: Float[Tensor, "B O"]) -> Float[Tensor, "B O"]:
    """Log-odds of 1 - (1 - p)(1 - q): odds are a + b + ab, summed as logarithms, which keeps precision near 0 and 1.

    A log-odds of ABSENT leaves the other as it is.
    """
    terms = torch.stack([first, second, first + second])
    top = terms.amax(0)
    return top + (terms - top).exp().sum(0).log()


def _residual(token_dim: int, num_outputs: int) -> nn.Sequential:
    last = nn.Linear(token_dim, num_outputs)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.LayerNorm(token_dim), nn.Linear(token_dim, token_dim), nn.ReLU(), nn.Dropout(0.2), last)
