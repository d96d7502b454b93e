"""Runs a checkpoint's torch modules on a device, eager and compiled, as the baseline of engines.

Imported only where a checkpoint and a GPU are at hand. Fed from host memory and emptied into it, as an engine is.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import torch
from torch import nn

from inspector.benchmark.artefacts import BenchError
from inspector.bundle.schema import Bundle, Precision
from inspector.engines.engine import Array
from inspector.training.checkpoint import load_checkpoint
from inspector.training.errors import CheckpointError
from inspector.training.export import FlatHead, head_inputs

Module = Callable[..., tuple[torch.Tensor, ...]]


class Baseline:
    """One graph's module, which takes the inputs in the order of `names`."""

    def __init__(self, module: nn.Module, names: Sequence[str], device: str) -> None:
        self._module, self._names, self._device = module.eval().to(device), names, device

    def eager(self, inputs: Mapping[str, Array], precision: Precision) -> list[Array]:
        return self._run(self._module, inputs, precision)

    def compiled(self, inputs: Mapping[str, Array], precision: Precision) -> list[Array]:
        """Compiled at the first call for each batch size."""
        return self._run(self._compiled, inputs, precision)

    @cached_property
    def _compiled(self) -> Module:
        return torch.compile(self._module, dynamic=False)

    def _run(self, call: Module, inputs: Mapping[str, Array], precision: Precision) -> list[Array]:
        """FP16 by autocast, which stands for INT8 too: torch has none of it on a GPU."""
        tensors = [torch.from_numpy(inputs[name]).to(self._device) for name in self._names]
        with torch.inference_mode(), torch.autocast(self._device, torch.float16, enabled=precision != "fp32"):
            results = call(*tensors)
        return [result.float().cpu().numpy() for result in results]


def open_baselines(checkpoint: Path, schema: Bundle, device: str = "cuda") -> dict[str, Baseline]:
    """By part. Raises BenchError, also for a checkpoint that is not this bundle's."""
    try:
        draft = load_checkpoint(checkpoint)
    except CheckpointError as exc:
        raise BenchError(str(exc)) from exc
    if (draft.name, draft.version) != (schema.name, schema.version):
        raise BenchError(
            f"{checkpoint} holds {draft.name} {draft.version}, expected the bundle's {schema.name} {schema.version}; "
            "name the checkpoint that the bundle was exported from"
        )
    baselines = {expert.name: Baseline(expert.module, ["input"], device) for expert in draft.experts}
    names = head_inputs([expert.name for expert in draft.experts])
    return baselines | {"head": Baseline(FlatHead(draft.head), names, device)}
