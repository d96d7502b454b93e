"""Gradients in parts: a batch that is too large for the memory is fitted as if it were not."""

import pytest
import torch
from torch import Tensor, nn

from encoders.tokens import Encoded
from inspector.training.config import Fitting, SignalExpert
from inspector.training.encoder_fit import EncoderFit, Recordings, Schedule
from tests.inspector.training.small_material import TRACE_FORM

pytestmark = pytest.mark.train
NUM = 30


class Plain(nn.Module):
    """Without batch normalisation, whose statistics differ from part to part."""

    def __init__(self) -> None:
        super().__init__()
        self.read = nn.Sequential(nn.Linear(48, 8), nn.Tanh(), nn.Linear(8, 2))

    def forward(self, wave: Tensor) -> Encoded:
        return Encoded(wave, self.read(wave[:, 0]), wave)


def recordings(seed: int) -> Recordings:
    """Few are defective, so that parts differ in their mix, and of some nothing is known."""
    torch.manual_seed(seed)
    targets = (torch.rand(NUM, 2) < 0.2).double()
    targets[:4], targets[4:8, 1] = torch.nan, torch.nan
    return Recordings(torch.randn(NUM, 1, 48).double() + targets.nan_to_num()[:, :1, None], targets)


def fitted(parts: int, batch_size: int) -> dict[str, Tensor]:
    config = SignalExpert(
        name="mic", modality="mic", encoder="tcn", jitter=0.0, fitting=Fitting(accumulate=parts, batch_size=batch_size)
    )
    torch.manual_seed(0)
    module = Plain().double()
    plan = Schedule(epochs=2, learning_rate=0.01, batch_size=batch_size)
    torch.manual_seed(0)
    EncoderFit(module, config, TRACE_FORM).run(recordings(1), recordings(2), plan, lambda done, total: None)
    return module.state_dict()


@pytest.mark.parametrize("batch_size", [NUM, 10])
@pytest.mark.parametrize("parts", [2, 3, 100])
def test_a_batch_in_parts_moves_the_weights_as_the_whole_does(parts: int, batch_size: int) -> None:
    whole, found = fitted(1, batch_size), fitted(parts, batch_size)
    for name, weights in whole.items():
        torch.testing.assert_close(found[name], weights, rtol=1e-4, atol=1e-7)


def test_smaller_batches_move_them_otherwise() -> None:
    """The comparison above can fail."""
    first, second = fitted(1, NUM), fitted(1, 10)
    assert not torch.allclose(first["read.0.weight"], second["read.0.weight"], rtol=1e-2, atol=1e-4)
