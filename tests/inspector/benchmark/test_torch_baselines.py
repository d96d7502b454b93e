"""Torch's modules run as engines are run: fed from host memory, emptied into it. On the CPU, for want of a GPU."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from inspector.benchmark.artefacts import BenchError
from inspector.benchmark.torch_baselines import Baseline, open_baselines
from inspector.bundle.load import load
from tests.bundles import write_toy_bundle

pytestmark = pytest.mark.train


class Double(torch.nn.Module):
    def forward(self, first: torch.Tensor, second: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return first * 2, first - second


def test_inputs_go_in_by_their_order_and_all_outputs_come_back() -> None:
    inputs = {"b": np.ones((2, 3), np.float32), "a": np.full((2, 3), 4, np.float32)}
    doubled, rest = Baseline(Double(), ["a", "b"], "cpu").eager(inputs, "fp32")
    assert (doubled == 8).all()
    assert (rest == 3).all()


def test_a_checkpoint_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="inspector train --checkpoint"):
        open_baselines(tmp_path / "nothing", load(write_toy_bundle(tmp_path / "toy")).schema)


def test_a_checkpoint_of_another_bundle_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = SimpleNamespace(name="cup", version="9")
    monkeypatch.setattr("inspector.benchmark.torch_baselines.load_checkpoint", lambda folder: other)
    with pytest.raises(BenchError, match="holds cup 9, expected the bundle's toy 1"):
        open_baselines(tmp_path, load(write_toy_bundle(tmp_path / "toy")).schema)
