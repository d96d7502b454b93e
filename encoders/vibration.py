"""Turns a raw window of vibration or a process trace into tokens. The input form fixes its length in samples.

Letters: B batch, C channels, S samples, P places in time, D width.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from encoders.front_end import SignalForm
from encoders.tokens import Encoded, Readout, measure

MAX_PLACES = 64
"""Attention is quadratic in the places: the strides leave at most this many."""


class TemporalBlock(nn.Module):
    """A strided and a dilated convolution over time with a shortcut (Bai et al. 2018, centred rather than causal)."""

    def __init__(self, before: int, width: int, dilation: int, stride: int) -> None:
        super().__init__()
        reach = max(2, stride)
        self.body = nn.Sequential(
            nn.Conv2d(before, width, (1, 2 * reach + 1), (1, stride), (0, reach), bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, (1, 5), 1, (0, 2 * dilation), (1, dilation), bias=False),
            nn.BatchNorm2d(width),
        )
        self.shortcut = nn.Conv2d(before, width, 1, (1, stride), bias=False)

    def forward(self, hidden: Float[Tensor, "B c 1 P"]) -> Float[Tensor, "B d 1 p"]:
        summed: Tensor = self.body(hidden) + self.shortcut(hidden)
        return summed.relu()


class TimeAttention(nn.Module):
    """One head of self-attention over time: softmax(QK^T / sqrt(d)) V, added to its input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, hidden_BPD: Float[Tensor, "B P D"]) -> Float[Tensor, "B P D"]:
        query, key, value = self.query_key_value(self.norm(hidden_BPD)).chunk(3, dim=2)
        weights = torch.softmax(query @ key.transpose(1, 2) / math.sqrt(query.shape[2]), dim=2)
        attended_BPD: Tensor = self.out(weights @ value)
        return hidden_BPD + attended_BPD


class VibrationEncoder(nn.Module):
    """Temporal convolutions with attention over windows of any rate and channel count."""

    def __init__(self, form: SignalForm, token_dim: int, num_classes: int, width: int = 32) -> None:
        super().__init__()
        stride = math.ceil(max(1.0, form.num_samples / MAX_PLACES) ** (1 / 3))
        self.blocks = nn.ModuleList(
            TemporalBlock(form.num_channels if index == 0 else width, width, dilation, stride)
            for index, dilation in enumerate((1, 2, 4))
        )
        self.attention = TimeAttention(width)
        self.eval()
        with torch.no_grad():
            levels = measure(self._maps(torch.zeros(1, form.num_channels, form.num_samples)))
        self.train()
        self.readout = Readout(levels, token_dim, num_classes)
        self.num_tokens = self.readout.num_tokens

    def forward(self, window: Float[Tensor, "B C S"]) -> Encoded:
        encoded: Encoded = self.readout(self._maps(window))
        return encoded

    def _maps(self, window: Float[Tensor, "B C S"]) -> list[Tensor]:
        maps, hidden = [], window.unsqueeze(2)
        for block in self.blocks:
            hidden = block(hidden)
            maps.append(hidden)
        attended = self.attention(hidden.squeeze(2).transpose(1, 2))
        return [maps[-2], attended.transpose(1, 2).unsqueeze(2)]
