"""Gradients in parts, as if a batch were not too large for the memory; fits of one fold, and of all."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from encoders.tokens import Encoded
from inspector.training.config import Fitting, SignalExpert
from inspector.training.experts.network import EncoderFit, NetworkFitter, Recordings, Schedule, encode
from tests.inspector.training.small_training_data import TRACE_FORM, no_progress, of_traces

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
    whole, in_parts = fitted(1, batch_size), fitted(parts, batch_size)
    for name, weights in whole.items():
        torch.testing.assert_close(in_parts[name], weights, rtol=1e-4, atol=1e-7)


def test_smaller_batches_move_them_otherwise() -> None:
    """The comparison above can fail."""
    first, second = fitted(1, NUM), fitted(1, 10)
    assert not torch.allclose(first["read.0.weight"], second["read.0.weight"], rtol=1e-2, atol=1e-4)


FOLDS = [number % 3 for number in range(NUM)]
HELD = torch.tensor(FOLDS) == 0


def fitter(every_fold: bool, change: Tensor | None = None) -> NetworkFitter:
    """`change`: recordings whose labels are the other way round."""
    rng = np.random.default_rng(0)
    labels = rng.random(NUM) < 0.5
    traces = (rng.normal(0, 1, (NUM, 48)) + labels[:, None]).astype(np.float32)
    told_so = labels if change is None else labels ^ change.numpy()
    config = SignalExpert(name="mic", modality="mic", encoder="tcn", jitter=0.0)
    data = of_traces(traces, told_so.astype(float).tolist(), list(map(str, range(NUM))))
    return NetworkFitter(replace(data, config=config, epochs=2), every_fold)


def test_of_one_fold_that_fit_ships_which_scored_it() -> None:
    entry = fitter(every_fold=False)
    logits = entry.cross_fitted(FOLDS, no_progress)
    module, fitted = entry.final(no_progress)
    assert logits[:, 0].isnan().tolist() == (~HELD).tolist()
    assert torch.equal(encode(module, entry._data.inputs[HELD], TRACE_FORM).logits, logits[HELD])
    assert fitted.holdout_loss is not None
    assert math.isfinite(fitted.holdout_loss)


def test_of_every_fold_no_label_reaches_its_own_log_odds() -> None:
    """Not even by saying when to stop."""
    entry, changed = (
        fitter(every_fold=True, change=change).cross_fitted(FOLDS, no_progress) for change in (None, HELD)
    )
    assert not entry.isnan().any()
    assert torch.equal(entry[HELD], changed[HELD])
    assert not torch.isclose(entry[~HELD], changed[~HELD]).any()


def test_after_every_fold_everything_is_fitted_to_the_end() -> None:
    plain, changed = fitter(every_fold=True), fitter(every_fold=True, change=HELD)
    module, fitted = plain.final(no_progress)
    assert (fitted.best_epoch, fitted.epochs, fitted.holdout_loss) == (2, 2, None)
    inputs = plain._data.inputs
    first, second = (encode(entry, inputs, TRACE_FORM).logits for entry in (module, changed.final(no_progress)[0]))
    assert not torch.isclose(first, second).any()


def test_nothing_ships_that_was_not_judged() -> None:
    with pytest.raises(RuntimeError, match="cross_fitted comes first"):
        fitter(every_fold=False).final(no_progress)
