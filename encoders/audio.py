"""Turns a waveform into log-mel spectrograms inside the graph, and these into tokens. Never resamples.

Letters: B batch, C channels, S samples, F frequencies, M mel bands, L frames.
"""

from dataclasses import dataclass

import librosa
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from encoders.front_end import SignalForm
from encoders.tokens import Encoded, Readout, TinyBackbone, measure

LOG_FLOOR = 1e-6
"""Mel power below this counts as silence: float32 noise of a full-scale tone stays under a thousandth of it."""


@dataclass(frozen=True)
class MelForm:
    """Parameters of the mel spectrogram."""

    sample_rate_hz: float
    num_fft: int = 512
    hop: int = 128
    num_mels: int = 48
    min_hz: float = 50.0
    max_hz: float = 20000.0


class LogMel(nn.Module):
    """log(max(mel power, LOG_FLOOR)), as in librosa.feature.melspectrogram (Hann, centred, Slaney's scale).

    Both steps are 4-D convolutions (a windowed DFT, then 1x1), which every runtime supports.
    """

    def __init__(self, form: MelForm) -> None:
        super().__init__()
        self.num_fft, self.hop = form.num_fft, form.hop
        phase = 2 * np.pi * np.outer(np.arange(form.num_fft // 2 + 1), np.arange(form.num_fft)) / form.num_fft
        window = np.hanning(form.num_fft + 1)[:-1]
        dft = np.concatenate([np.cos(phase), -np.sin(phase)]) * window
        mel = librosa.filters.mel(
            sr=form.sample_rate_hz, n_fft=form.num_fft, n_mels=form.num_mels, fmin=form.min_hz, fmax=form.max_hz
        )
        self.register_buffer("dft", torch.as_tensor(dft, dtype=torch.float32)[:, None, None], persistent=False)
        self.register_buffer("mel", torch.as_tensor(mel, dtype=torch.float32)[:, :, None, None], persistent=False)

    def forward(self, wave: Float[Tensor, "B C S"]) -> Float[Tensor, "B M C L"]:
        spectrum = nn.functional.conv2d(
            wave[:, None], self.get_buffer("dft"), stride=(1, self.hop), padding=(0, self.num_fft // 2)
        )
        real, imaginary = spectrum.chunk(2, dim=1)
        power = nn.functional.conv2d(real * real + imaginary * imaginary, self.get_buffer("mel"))
        return power.clamp_min(LOG_FLOOR).log()


class AudioEncoder(nn.Module):
    """Log-mel, standardised per band, then a small network over frequency and time."""

    def __init__(self, form: SignalForm, mel: MelForm, token_dim: int, num_classes: int) -> None:
        super().__init__()
        self.log_mel = LogMel(mel)
        self.standardise = nn.BatchNorm2d(mel.num_mels, affine=False)
        self.backbone = TinyBackbone(form.num_channels, widths=(16, 32, 64))
        self.backbone.eval()
        with torch.no_grad():
            probe = self.log_mel(torch.zeros(1, form.num_channels, form.num_samples))
            levels = measure(self.backbone(probe.transpose(1, 2))[-2:])
        self.backbone.train()
        self.readout = Readout(levels, token_dim, num_classes)
        self.num_tokens = self.readout.num_tokens

    def forward(self, wave: Float[Tensor, "B C S"]) -> Encoded:
        spectrogram = self.standardise(self.log_mel(wave)).transpose(1, 2)
        encoded: Encoded = self.readout(self.backbone(spectrogram)[-2:])
        return encoded
