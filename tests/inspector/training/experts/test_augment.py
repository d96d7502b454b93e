"""How training signals are filtered: a tilt of the spectrum that is each signal's own."""

import pytest
import torch
from torch import Tensor

from inspector.training.config import SignalExpert
from inspector.training.experts.augment import _filtered, augment_signals

pytestmark = pytest.mark.train
NUM, LENGTH, STRENGTH = 64, 512, 0.1
BANDS = 4


def noise() -> Tensor:
    torch.manual_seed(1)
    return torch.randn(1, 1, LENGTH).expand(NUM, 2, LENGTH)


def filtered(seed: int, strength: float = STRENGTH) -> Tensor:
    given = noise()
    torch.manual_seed(seed)
    return _filtered(given, strength)


def gains(changed: Tensor) -> Tensor:
    """(signals, channels, bands): by how much each band grew, low to high."""
    levels = [
        torch.fft.rfft(signal)[..., 1:].abs().unflatten(-1, (BANDS, -1)).square().sum(-1)
        for signal in (changed, noise())
    ]
    return (levels[0] / levels[1]).sqrt()


def test_bands_change_the_more_the_higher_they_are() -> None:
    measured = gains(filtered(0))
    away = (measured - 1).abs().mean((0, 1))
    assert away.tolist() == sorted(away.tolist())
    assert away[0] < 0.02 < 0.05 < away[-1]
    assert ((measured - 1).abs() <= 2 * STRENGTH + 0.02).all()


def test_each_signal_is_made_duller_or_sharper_by_itself_and_its_channels_alike() -> None:
    measured = gains(filtered(0))[..., -1]
    assert 0.3 < (measured[:, 0] > 1).float().mean() < 0.7
    assert measured[:, 0].std() > 0.05
    torch.testing.assert_close(measured[:, 0], measured[:, 1])


@pytest.mark.parametrize("jitter", [0.0, 0.1, 1.0])
def test_number_and_length_stay(jitter: float) -> None:
    config = SignalExpert(name="mic", modality="mic", encoder="tcn", jitter=jitter)
    changed = augment_signals(noise(), config)
    assert (changed.shape, changed.dtype) == ((NUM, 2, LENGTH), torch.float32)
    assert torch.equal(changed, noise()) == (jitter == 0)


def test_the_seed_decides() -> None:
    assert torch.equal(filtered(0), filtered(0))
    assert not torch.equal(filtered(0), filtered(1))


def test_without_strength_nothing_is_filtered() -> None:
    assert torch.equal(filtered(0, strength=0.0), noise())
