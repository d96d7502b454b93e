"""Says what an engine is: a runtime with one graph loaded. Knows neither experts nor pieces."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
EngineName = Literal["onnx", "openvino", "torch", "tensorrt"]


class EngineError(RuntimeError):
    """A graph could not be loaded or run."""


class Port(NamedTuple):
    """One input or output of a graph; a size of None is not fixed."""

    name: str
    shape: tuple[int | None, ...]


class Engine(Protocol):
    """Runs one graph; safe to call from several threads."""

    @property
    def inputs(self) -> Sequence[Port]: ...

    @property
    def outputs(self) -> Sequence[Port]: ...

    def run(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        """All outputs by name. Raises EngineError."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    name: EngineName = "onnx"
    threads: int = 1
    """Threads of each graph's session."""
