"""Runs a torch module behind the engine protocol: the oracle that other engines are compared with.

A bundle holds no torch weights, so the training half hands the module over; nothing on the serving path imports this.
"""

from collections.abc import Mapping, Sequence

import torch

from inspector.engines.engine import Array, EngineError, Port


class TorchEngine:
    """`module` takes the inputs in the order of `inputs` and returns a tuple in the order of `outputs`."""

    def __init__(self, module: torch.nn.Module, inputs: Sequence[Port], outputs: Sequence[Port]) -> None:
        self._module = module.eval()
        self.inputs, self.outputs = tuple(inputs), tuple(outputs)

    def run(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        tensors = [torch.from_numpy(inputs[port.name]) for port in self.inputs]
        try:
            with torch.inference_mode():
                results = self._module(*tensors)
        except RuntimeError as exc:
            raise EngineError(f"torch: {exc}") from exc
        return {port.name: result.numpy() for port, result in zip(self.outputs, results, strict=True)}
