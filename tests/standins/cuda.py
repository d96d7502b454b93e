# ruff: noqa: N802, N815
"""A STAND-IN for `cuda.bindings.runtime`: device memory in this process, and no GPU anywhere.

Work is queued on a stream and done when the stream is waited for, later than a GPU would: data read too early is
seen to be wrong. Misuse that CUDA would answer with nonsense or a crash raises MisuseError at once.
"""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple, SupportsInt

SUCCESS, OUT_OF_MEMORY, NO_DRIVER, ILLEGAL_ADDRESS = 0, 2, 35, 700
NAMES = {
    SUCCESS: (b"cudaSuccess", b"no error"),
    OUT_OF_MEMORY: (b"cudaErrorMemoryAllocation", b"out of memory"),
    NO_DRIVER: (b"cudaErrorInsufficientDriver", b"CUDA driver version is insufficient for CUDA runtime version"),
    ILLEGAL_ADDRESS: (b"cudaErrorIllegalAddress", b"an illegal memory access was encountered"),
}
FIRST_ADDRESS, FIRST_STREAM, GAP = 0x7F00_0000_0000, 0x5000, 4096


class MisuseError(AssertionError):
    """The code under test misuses the GPU."""


class CopyKind(IntEnum):
    cudaMemcpyHostToDevice = 1
    cudaMemcpyDeviceToHost = 2


class Properties(NamedTuple):
    name: bytes
    major: int
    minor: int


@dataclass
class Faults:
    """What goes wrong, and when."""

    no_driver: bool = False
    driver_version: int = 13000
    capability: tuple[int, int] = (8, 6)
    free_bytes: int = 2**33
    malloc_fails_at: int | None = None
    """The allocation with this number, from 0 on, finds no memory."""
    lost_after: int | None = None
    """Launches that still work; the next one kills the context."""


@dataclass
class StandInCuda:
    faults: Faults = field(default_factory=Faults)
    memory: dict[int, bytearray] = field(default_factory=dict)
    """Live allocations by address."""
    queues: dict[int, list[Callable[[], None]]] = field(default_factory=dict)
    """What waits, by stream."""
    num_mallocs: int = 0
    num_streams: int = 0
    num_launches: int = 0
    sticky: int = SUCCESS

    @property
    def cudaMemcpyKind(self) -> type[CopyKind]:
        return CopyKind

    def _state(self) -> int:
        return NO_DRIVER if self.faults.no_driver else self.sticky

    def cudaGetDeviceCount(self) -> tuple[int, int | None]:
        return (error, None) if (error := self._state()) else (SUCCESS, 1)

    def cudaGetDeviceProperties(self, device: int) -> tuple[int, Properties | None]:
        if error := self._state():
            return error, None
        _expect(device == 0, f"device {device} of one")
        return SUCCESS, Properties(b"Stand-in GPU", *self.faults.capability)

    def cudaDriverGetVersion(self) -> tuple[int, int]:
        return SUCCESS, 0 if self.faults.no_driver else self.faults.driver_version

    def cudaMemGetInfo(self) -> tuple[int, int | None, int | None]:
        if error := self._state():
            return error, None, None
        return SUCCESS, self.faults.free_bytes - sum(map(len, self.memory.values())), self.faults.free_bytes

    def cudaGetErrorName(self, error: int) -> tuple[int, bytes]:
        return SUCCESS, NAMES[error][0]

    def cudaGetErrorString(self, error: int) -> tuple[int, bytes]:
        return SUCCESS, NAMES[error][1]

    def cudaStreamCreate(self) -> tuple[int, SupportsInt | None]:
        if error := self._state():
            return error, None
        stream, self.num_streams = FIRST_STREAM + 8 * self.num_streams, self.num_streams + 1
        self.queues[stream] = []
        return SUCCESS, stream

    def cudaStreamDestroy(self, stream: SupportsInt) -> tuple[int]:
        self._idle(self._queue(stream), "cudaStreamDestroy")
        del self.queues[int(stream)]
        return (self._state(),)

    def cudaStreamSynchronize(self, stream: SupportsInt) -> tuple[int]:
        queue = self._queue(stream)
        while queue:
            work = queue.pop(0)
            if not self._state():
                work()
        return (self._state(),)

    def cudaMalloc(self, size: int) -> tuple[int, int | None]:
        if error := self._state():
            return error, None
        _expect(size > 0, f"allocation of {size} bytes")
        number, self.num_mallocs = self.num_mallocs, self.num_mallocs + 1
        if number == self.faults.malloc_fails_at or size > self.faults.free_bytes:
            return OUT_OF_MEMORY, None
        address = max((base + len(held) + GAP for base, held in self.memory.items()), default=FIRST_ADDRESS)
        self.memory[address] = bytearray(b"\xff" * size)  # NaN as float32: unwritten memory shows
        return SUCCESS, address

    def cudaFree(self, devPtr: int) -> tuple[int]:
        _expect(devPtr in self.memory, f"cudaFree of {devPtr:#x}, which is not allocated, or no longer")
        for queue in self.queues.values():
            self._idle(queue, "cudaFree")
        del self.memory[devPtr]
        return (self._state(),)

    def cudaMemcpyAsync(self, dst: int, src: int, count: int, kind: int, stream: SupportsInt) -> tuple[int]:
        _expect(isinstance(kind, CopyKind), f"kind {kind!r} is no cudaMemcpyKind")
        queue = self._queue(stream)
        if error := self._state():
            return (error,)
        if kind is CopyKind.cudaMemcpyHostToDevice:
            self.block(dst, count)
            queue.append(lambda: self.write(dst, ctypes.string_at(src, count)))
        else:
            self.block(src, count)
            queue.append(lambda: _to_host(dst, self.read(src, count)))
        return (SUCCESS,)

    def block(self, address: int, num_bytes: int) -> bytearray:
        """The allocation that holds all of it."""
        base = max((base for base in self.memory if base <= address), default=None)
        _expect(base is not None, f"{address:#x} lies in no allocation")
        held = self.memory[base or 0]
        end = address - (base or 0) + num_bytes
        _expect(end <= len(held), f"{num_bytes} bytes at {address:#x} reach {end - len(held)} beyond the allocation")
        return held

    def read(self, address: int, num_bytes: int) -> bytes:
        held = self.block(address, num_bytes)
        start = address - next(base for base, block in self.memory.items() if block is held)
        return bytes(held[start : start + num_bytes])

    def write(self, address: int, content: bytes) -> None:
        held = self.block(address, len(content))
        start = address - next(base for base, block in self.memory.items() if block is held)
        held[start : start + len(content)] = content

    def launch(self, stream: int, kernel: Callable[[], None]) -> None:
        """Called by the runtime's stand-in; the launch after `lost_after` is the last thing this device does."""
        queue = self._queue(stream)
        number, self.num_launches = self.num_launches, self.num_launches + 1
        lost = self.faults.lost_after is not None and number >= self.faults.lost_after
        queue.append(self._die if lost else kernel)

    def _die(self) -> None:
        self.sticky = ILLEGAL_ADDRESS

    def check_all_freed(self) -> None:
        held = sum(map(len, self.memory.values()))
        _expect(not self.memory, f"{len(self.memory)} allocations of {held} bytes were never freed")
        _expect(not self.queues, f"{len(self.queues)} streams were never destroyed")

    def _queue(self, stream: SupportsInt) -> list[Callable[[], None]]:
        _expect(int(stream) in self.queues, f"stream {int(stream):#x} does not exist, or no longer")
        return self.queues[int(stream)]

    def _idle(self, queue: list[Callable[[], None]], what: str) -> None:
        _expect(not queue or bool(self._state()), f"{what} while {len(queue)} operations wait on a stream")


def _to_host(address: int, content: bytes) -> None:
    ctypes.memmove(address, content, len(content))


def _expect(held: bool, otherwise: str) -> None:
    if not held:
        raise MisuseError(otherwise)
