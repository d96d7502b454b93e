"""Self-attention over the tokens of all modalities, with a learned penalty across modalities.

Letters: B batch, N tokens of all experts together, D width.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fusion.gate import ABSENT


class ModalityAwareAttention(nn.Module):
    """softmax(QK^T / sqrt(d) + M) V: M is 0 within a modality, minus a learned penalty per pair of modalities across.

    `modality_of` names the modality of every token by its index.
    """

    def __init__(self, token_dim: int, modality_of: Sequence[int]) -> None:
        super().__init__()
        num_modalities = max(modality_of) + 1
        self.query, self.key, self.value = (nn.Linear(token_dim, token_dim) for _ in range(3))
        self.penalty = nn.Parameter(torch.zeros(num_modalities, num_modalities))
        owner = nn.functional.one_hot(torch.as_tensor(modality_of), num_modalities).float()
        self.register_buffer("owner", owner, persistent=False)
        self.register_buffer("across", 1 - owner @ owner.T, persistent=False)

    def forward(self, tokens_BND: Float[Tensor, "B N D"], present_BN: Float[Tensor, "B N"]) -> Float[Tensor, "B N D"]:
        scores = self.query(tokens_BND) @ self.key(tokens_BND).transpose(1, 2) / math.sqrt(tokens_BND.shape[2])
        masked = scores + self._penalties() + ((1 - present_BN) * ABSENT)[:, None]
        attended_BND: Tensor = torch.softmax(masked, dim=2) @ self.value(tokens_BND)
        return attended_BND

    def _penalties(self) -> Float[Tensor, "N N"]:
        owner = self.get_buffer("owner")
        return -(owner @ nn.functional.softplus(self.penalty) @ owner.T) * self.get_buffer("across")
