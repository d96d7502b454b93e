"""Makes the sound of a tapped part: whole ones ring, cracked ones fall silent soon."""

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 16_000
CLIP_S = 0.25
_MODES_HZ = (1_780.0, 3_120.0, 4_690.0)
_GAINS = (1.0, 0.6, 0.35)
_INSERT_HZ = 2_440.0
_TAP_S = 0.02


def ring(rng: np.random.Generator, *, crack: float = 0.0, partial: float = 0.0) -> NDArray[np.int16]:
    """Samples (4000, 1) at 16 kHz. Severity: 0 none, 1 plain to hear, below 0.4 hard to tell from a dull tap.

    `partial` is the strength of an insert's mode: a fourth one, whole or cracked.
    """
    time_s = np.arange(round(CLIP_S * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ - _TAP_S
    after = time_s >= 0
    decay_s = rng.uniform(0.050, 0.070) * (1 - 0.75 * min(crack, 1.1))
    pitch = rng.normal(1, 0.008) * (1 - 0.07 * crack)
    wave = np.zeros_like(time_s)
    for number, (mode_hz, gain) in enumerate(zip(_MODES_HZ, _GAINS, strict=True)):
        phase = rng.uniform(0, 2 * np.pi)
        fade = np.exp(-np.where(after, time_s, 0) / (decay_s / (1 + 0.3 * number)))
        wave += gain * rng.uniform(0.8, 1.2) * fade * np.sin(2 * np.pi * mode_hz * pitch * time_s + phase)
    if partial > 0:
        fade = np.exp(-np.where(after, time_s, 0) / decay_s)
        wave += partial * 0.5 * fade * np.sin(2 * np.pi * _INSERT_HZ * pitch * time_s + rng.uniform(0, 2 * np.pi))
    rattle = crack * 0.35 * rng.normal(0, 1, len(time_s)) * np.exp(-np.where(after, time_s, 0) / 0.03)
    wave = np.where(after, wave + rattle, 0) * rng.uniform(0.7, 1.3) + rng.normal(0, 0.02, len(time_s))
    return np.clip(np.round(wave * 8_000), -32_768, 32_767).astype(np.int16)[:, None]
