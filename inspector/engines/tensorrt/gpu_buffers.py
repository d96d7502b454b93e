"""Holds one CUDA stream and the memory that is copied on it, host and device side by side."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inspector.engines.engine import Array
from inspector.engines.tensorrt.device import checked
from inspector.engines.tensorrt.gpu_api import Cuda


@dataclass(frozen=True, slots=True)
class Buffer:
    """One tensor at one batch size, on both sides."""

    host: Array
    address: int
    """On the device."""


class Stream:
    """Everything is allocated once and freed by `close`. Every method raises DeviceMemoryError or LostDeviceError."""

    def __init__(self, cuda: Cuda) -> None:
        self._cuda = cuda
        error, self._stream = cuda.cudaStreamCreate()
        checked(cuda, "create a stream", error)
        self._addresses: list[int] = []

    @property
    def handle(self) -> int:
        return int(self._stream)

    def buffer(self, shape: Sequence[int]) -> Buffer:
        num_bytes = math.prod(shape) * np.dtype(np.float32).itemsize
        error, address = self._cuda.cudaMalloc(num_bytes)
        checked(self._cuda, f"allocate {num_bytes} bytes", error)
        self._addresses.append(address)
        return Buffer(np.zeros(tuple(shape), np.float32), address)

    def upload(self, buffer: Buffer) -> None:
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
        copied = (buffer.address, buffer.host.ctypes.data, buffer.host.nbytes)
        checked(self._cuda, "copy to the device", self._cuda.cudaMemcpyAsync(*copied, kind, self._stream)[0])

    def download(self, buffer: Buffer) -> None:
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        copied = (buffer.host.ctypes.data, buffer.address, buffer.host.nbytes)
        checked(self._cuda, "copy from the device", self._cuda.cudaMemcpyAsync(*copied, kind, self._stream)[0])

    def wait(self) -> None:
        checked(self._cuda, "run on the device", self._cuda.cudaStreamSynchronize(self._stream)[0])

    def close(self) -> None:
        """Ignores errors of a lost device: its memory is gone."""
        while self._addresses:
            self._cuda.cudaFree(self._addresses.pop())
        self._cuda.cudaStreamDestroy(self._stream)
