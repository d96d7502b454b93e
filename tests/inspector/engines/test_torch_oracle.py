"""A torch module behind the engine protocol answers by name, and its failures are engine errors."""

from typing import TYPE_CHECKING

import numpy as np
import pytest

from inspector.engines.engine import EngineError, Port

if TYPE_CHECKING:
    from torch import Tensor

pytestmark = pytest.mark.train
torch = pytest.importorskip("torch", reason="the training half is not installed")


def test_a_module_answers_by_name() -> None:
    from inspector.engines.torch_oracle import TorchEngine

    class Halves(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, values: "Tensor") -> "tuple[Tensor, ...]":
            return torch.tensor_split(values, 2, dim=1)

    ports = Port("low", (None, 2)), Port("high", (None, 2))
    engine = TorchEngine(Halves(), [Port("input", (None, 4))], ports)
    outputs = engine.run({"input": np.arange(4, dtype=np.float32)[None]})
    assert {name: values.tolist() for name, values in outputs.items()} == {"low": [[0, 1]], "high": [[2, 3]]}


def test_a_failing_module_is_an_engine_error() -> None:
    from inspector.engines.torch_oracle import TorchEngine

    engine = TorchEngine(torch.nn.Linear(4, 2), [Port("input", (None, 4))], [Port("output", (None, 2))])
    with pytest.raises(EngineError, match="torch"):
        engine.run({"input": np.zeros((1, 3), np.float32)})
