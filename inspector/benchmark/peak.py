# ruff: noqa: N802
"""Turns a GPU's properties into its peak rates, and a graph's work into the least time it takes.

Units per multiprocessor are those of NVIDIA's architecture papers; consumer cards add FP16 products in FP32 at half of
the rates here, so that a share of their peak is a lower bound.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from inspector.bundle.schema import Precision

_FP16_FLOPS: Mapping[str, int] = {
    "7.5": 1024,
    "8.0": 2048,
    "8.6": 1024,
    "8.9": 1024,
    "9.0": 4096,
    "12.0": 1024,
    "12.1": 1024,
}
"""Dense, by tensor cores, per multiprocessor and clock, by compute capability; INT8 is twice this."""
_FP32_SHARE = 0.5
"""Of the FP16 rate: TF32 by tensor cores, which TensorRT and torch may use."""
_TURING_FP32_SHARE = 0.125
"""Compute capability 7.5 has plain FP32 units alone."""
_WEIGHT_BYTES: Mapping[Precision, int] = {"fp32": 4, "fp16": 2, "int8": 1}


class PeakError(ValueError):
    """The peak rates of a GPU are unknown."""


class Attributes(Protocol):
    """Of `cuda.bindings.runtime.cudaDeviceAttr`."""

    @property
    def cudaDevAttrMultiProcessorCount(self) -> int: ...

    @property
    def cudaDevAttrClockRate(self) -> int: ...

    @property
    def cudaDevAttrMemoryClockRate(self) -> int: ...

    @property
    def cudaDevAttrGlobalMemoryBusWidth(self) -> int: ...


class CudaAttributes(Protocol):
    """Of `cuda.bindings.runtime`."""

    @property
    def cudaDeviceAttr(self) -> Attributes: ...

    def cudaDeviceGetAttribute(self, attr: int, device: int) -> tuple[int, int]: ...


@dataclass(frozen=True, slots=True)
class Work:
    """What one run of a graph must at least do."""

    flops: int
    """A multiplication and an addition are two."""
    num_weights: int
    io_bytes: int

    def num_bytes(self, precision: Precision) -> int:
        return self.num_weights * _WEIGHT_BYTES[precision] + self.io_bytes


@dataclass(frozen=True, slots=True)
class Peak:
    flops_per_s: Mapping[Precision, float]
    bytes_per_s: float

    def least_s(self, work: Work, precision: Precision) -> float:
        """The roofline: products at full rate, or traffic at full width, whichever takes longer."""
        return max(work.flops / self.flops_per_s[precision], work.num_bytes(precision) / self.bytes_per_s)


def peak_of(cuda: CudaAttributes, capability: str) -> Peak:
    """Of the first device. Raises PeakError."""
    names = cuda.cudaDeviceAttr
    if capability not in _FP16_FLOPS:
        raise PeakError(f"compute capability {capability} has no figures; known are {', '.join(_FP16_FLOPS)}")
    units = _attribute(cuda, names.cudaDevAttrMultiProcessorCount)
    clock_hz = _attribute(cuda, names.cudaDevAttrClockRate) * 1e3
    fp16 = units * clock_hz * _FP16_FLOPS[capability]
    transfers_hz = 2 * _attribute(cuda, names.cudaDevAttrMemoryClockRate) * 1e3
    bytes_per_s = transfers_hz * _attribute(cuda, names.cudaDevAttrGlobalMemoryBusWidth) / 8
    fp32 = fp16 * (_TURING_FP32_SHARE if capability == "7.5" else _FP32_SHARE)
    return Peak({"fp32": fp32, "fp16": fp16, "int8": 2 * fp16}, bytes_per_s)


def _attribute(cuda: CudaAttributes, attribute: int) -> int:
    error, value = cuda.cudaDeviceGetAttribute(attribute, 0)
    if error != 0 or not value:
        raise PeakError(f"CUDA does not tell the device's attribute {attribute}")
    return value
