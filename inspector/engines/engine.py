"""Defines an engine: a runtime with one graph loaded."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, cast, get_args

import numpy as np
from numpy.typing import NDArray

from inspector.bundle.schema import Precision

Array = NDArray[np.float32]
EngineName = Literal["onnx", "openvino", "torch", "tensorrt"]


class EngineError(RuntimeError):
    """A graph could not be loaded or run."""


class NotCompiledError(EngineError):
    """The bundle has no graphs for this engine and precision."""


class IncompatibleEngineError(EngineError):
    """A compiled file is altered, truncated, or of another compiler or version: the runtime never sees it."""


class DeviceError(EngineError):
    """The device or its runtime failed, not the input: another engine can judge the same pieces."""


class NoDriverError(DeviceError):
    """No runtime library, no driver or no device here."""


class WrongDeviceError(DeviceError):
    """The device's compute capability is none that the engine was built for."""


class DeviceMemoryError(DeviceError):
    """The device's memory does not suffice."""


class LostDeviceError(DeviceError):
    """CUDA answers every call of this process with an error from now on."""


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
        """All outputs by name. Raises EngineError; DeviceError where the inputs are not to blame."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """One way to run a bundle."""

    name: EngineName = "onnx"
    threads: int = 1
    """Threads of each graph's session."""
    precision: Precision = "fp32"

    def __str__(self) -> str:
        return f"{self.name}/{self.precision}"

    @classmethod
    def parse(cls, label: str, threads: int = 1) -> "EngineSettings":
        """From a label such as onnx/int8. Raises ValueError."""
        name, _, precision = label.partition("/")
        if name not in get_args(EngineName) or precision not in get_args(Precision):
            raise ValueError(f"{label!r} is no engine; write engine/precision, such as onnx/int8 or tensorrt/fp16")
        return cls(cast(EngineName, name), threads, cast(Precision, precision))


_FALLBACK = " (fallback from "


def fallback_label(label: str, failed: str) -> str:
    """Engine label of verdicts after a fault, such as onnx/fp32 (fallback from tensorrt/fp16)."""
    return f"{label}{_FALLBACK}{failed})"


def is_fallback(label: str) -> bool:
    return _FALLBACK in label


def check_inputs(runtime: str, ports: Sequence[Port], inputs: Mapping[str, Array]) -> int:
    """The size of the batch. For runtimes that run a dynamic graph on sizes that its input does not allow.

    Raises EngineError.
    """
    for port in ports:
        value = inputs.get(port.name)
        shape = None if value is None else value.shape
        if (
            shape is None
            or len(shape) != len(port.shape)
            or any(want is not None and size != want for size, want in zip(shape, port.shape, strict=True))
        ):
            raise EngineError(f"{runtime}: input {port.name!r} has shape {shape}, expected {port.shape}")
    sizes = {len(inputs[port.name]) for port in ports}
    if len(sizes) != 1 or 0 in sizes:
        raise EngineError(f"{runtime}: inputs have batches of {sorted(sizes)}, expected one size")
    return sizes.pop()


def run_in_chunks(num: int, most: int, run: Callable[[slice], Mapping[str, Array]]) -> Mapping[str, Array]:
    """Outputs of a batch of `num`, run by no more than `most` at once."""
    parts = [run(slice(start, min(start + most, num))) for start in range(0, num, most)]
    return parts[0] if len(parts) == 1 else {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
