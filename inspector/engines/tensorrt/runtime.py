"""Runs a graph that TensorRT compiled, on the first GPU. The only module that imports TensorRT or cuda-bindings.

Buffers are allocated once for every bucket of batch sizes; one stream; the engine waits for every batch.
"""

import importlib
import importlib.util
import re
import weakref
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import TypeVar, cast

from inspector.engines.engine import (
    Array,
    DeviceError,
    DeviceMemoryError,
    EngineError,
    NoDriverError,
    Port,
    check_inputs,
    run_in_chunks,
)
from inspector.engines.tensorrt.device import find_device, invalidity, memory_message
from inspector.engines.tensorrt.engine_file import COMPILE_AGAIN, EngineFile, check_compiler, check_target, read_engine
from inspector.engines.tensorrt.gpu_api import (
    Cuda,
    CudaEngine,
    Distribution,
    GpuApi,
    Logger,
    TensorRt,
)
from inspector.engines.tensorrt.gpu_buffers import Buffer, Stream
from inspector.engines.tensorrt.kernel_cache import KernelCache, cache_path
from inspector.engines.tensorrt.logger import error_logger

Value = TypeVar("Value")
_MODULES: tuple[tuple[str, Distribution], ...] = (
    ("tensorrt_rtx", "tensorrt-rtx"),
    ("tensorrt_rtx_bindings", "tensorrt-rtx"),
    ("tensorrt", "tensorrt"),
)
_MEMORY = re.compile(r"out.?of.?memory|could not be allocated|bad_alloc", re.IGNORECASE)


def load_tensorrt() -> tuple[Distribution, TensorRt]:
    """The installed TensorRT; needs no GPU. Raises NoDriverError where none is, or its libraries are absent."""
    for module, distribution in _MODULES:
        if importlib.util.find_spec(module) is None:
            continue
        try:
            return distribution, cast(TensorRt, importlib.import_module(module))
        except (ImportError, OSError) as exc:
            raise NoDriverError(f"{module} cannot be loaded ({exc}); install {distribution} again") from exc
    raise NoDriverError("TensorRT is not installed; in the checkout, pip install '.[tensorrt-rtx]', or '.[tensorrt]'")


def load_api() -> GpuApi:
    """The real libraries. Raises NoDriverError where one is not installed."""
    distribution, trt = load_tensorrt()
    try:
        cuda = importlib.import_module("cuda.bindings.runtime")
    except ImportError as exc:
        raise NoDriverError(
            f"cuda-bindings cannot be loaded ({exc}); install {distribution} as the extra, which brings it"
        ) from exc
    return GpuApi(distribution, trt, cast(Cuda, cuda))


@dataclass(frozen=True, slots=True)
class Bucket:
    """All buffers for one batch size."""

    size: int
    inputs: Mapping[str, Buffer]
    outputs: Mapping[str, Buffer]


class TensorRtEngine:
    """Freed by `close`, or with its last reference."""

    def __init__(self, file: EngineFile, api: GpuApi) -> None:
        """Raises IncompatibleEngineError before the runtime sees the file, DeviceError afterwards."""
        self._name, self._api = file.path.name, api
        check_compiler(file.compiler, api.compiler)
        content = read_engine(file)
        device = find_device(api.cuda)
        check_target(file.targets, device.capability)
        if not file.batches:
            raise EngineError(f"{self._name}: the bundle names no batch sizes for it; {COMPILE_AGAIN}")
        self._lock = Lock()
        logger, self._messages = _error_logger(api.trt.ILogger)
        self._messages.clear()
        with ExitStack() as stack:
            self._stream = stack.enter_context(closing(Stream(api.cuda)))
            self._runtime = api.trt.Runtime(logger)
            self._engine = self._deserialised(content)
            self.inputs, self.outputs = self._ports(is_input=True), self._ports(is_input=False)
            self._kernels = KernelCache(api, self._engine, cache_path(file.path, file.sha256, device, api.compiler))
            self._context = self._present(self._kernels.context(), "gets no execution context")
            self._buckets = [self._bucket(size) for size in sorted(file.batches)]
            self._warm_up()
            self._kernels.keep()
            stack.pop_all()
        self.close = weakref.finalize(self, self._stream.close)

    def run(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        num = check_inputs(f"TensorRT: {self._name}", self.inputs, inputs)
        with self._lock:
            return run_in_chunks(num, self._buckets[-1].size, lambda rows: self._run(inputs, rows))

    def _run(self, inputs: Mapping[str, Array], rows: slice) -> Mapping[str, Array]:
        """A batch between two buckets is filled up with zeros: few shapes mean few kernels, and rows stand alone."""
        if not self.close.alive:
            raise EngineError(f"TensorRT: {self._name} is closed; open the bundle again")
        num = rows.stop - rows.start
        bucket = next(bucket for bucket in self._buckets if bucket.size >= num)
        for port in self.inputs:
            host = bucket.inputs[port.name].host
            host[:num], host[num:] = inputs[port.name][rows], 0
        self._execute(bucket)
        return {name: buffer.host[:num].copy() for name, buffer in bucket.outputs.items()}

    def _execute(self, bucket: Bucket) -> None:
        self._messages.clear()
        for name, buffer in bucket.inputs.items():
            self._shape(name, buffer.host.shape)
        for name, buffer in (*bucket.inputs.items(), *bucket.outputs.items()):
            if not self._context.set_tensor_address(name, buffer.address):
                raise self._fault(f"refuses the address of {name!r}")
        for buffer in bucket.inputs.values():
            self._stream.upload(buffer)
        if not self._context.execute_async_v3(self._stream.handle):
            self._stream.wait()  # Raises a clearer error for a lost device.
            raise self._fault("does not run")
        for buffer in bucket.outputs.values():
            self._stream.download(buffer)
        self._stream.wait()

    def _warm_up(self) -> None:
        """Kernels are compiled and loaded at the first run of each shape, before the first piece comes."""
        for bucket in self._buckets:
            self._execute(bucket)

    def _ports(self, *, is_input: bool) -> tuple[Port, ...]:
        trt, engine, ports = self._api.trt, self._engine, []
        for name in map(engine.get_tensor_name, range(engine.num_io_tensors)):
            if engine.get_tensor_dtype(name) != trt.DataType.FLOAT:
                kind = engine.get_tensor_dtype(name)
                raise EngineError(f"{self._name}: {name!r} is {kind}, expected FLOAT; {COMPILE_AGAIN}")
            if (engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT) is is_input:
                shape = engine.get_tensor_shape(name)
                ports.append(Port(name, tuple(None if size < 0 else size for size in shape)))
        return tuple(ports)

    def _bucket(self, size: int) -> Bucket:
        """Inputs have no free size but the batch; outputs follow from them."""
        inputs = {}
        for port in self.inputs:
            shape = (size, *(length or 0 for length in port.shape[1:]))
            self._shape(port.name, shape)
            inputs[port.name] = self._stream.buffer(shape)
        outputs = {}
        for port in self.outputs:
            outputs[port.name] = self._stream.buffer(self._context.get_tensor_shape(port.name))
        return Bucket(size, inputs, outputs)

    def _shape(self, name: str, shape: Sequence[int]) -> None:
        if not self._context.set_input_shape(name, tuple(shape)):
            raise self._fault(f"refuses shape {tuple(shape)} for {name!r}")

    def _deserialised(self, content: bytes) -> CudaEngine:
        engine = self._runtime.deserialize_cuda_engine(content)
        if engine is None and self._api.distribution == "tensorrt-rtx":
            cause = invalidity(self._runtime.get_engine_validity(content)[1])
            if cause is not None:
                raise cause[0](f"TensorRT: {self._name} {cause[1]}")
        return self._present(engine, "cannot be deserialised")

    def _present(self, result: Value | None, fault: str) -> Value:
        if result is None:
            raise self._fault(fault)
        return result

    def _fault(self, what: str) -> DeviceError:
        message = f"TensorRT: {self._name} {what}: {' | '.join(self._messages) or 'the runtime gives no reason'}"
        if _MEMORY.search(message):
            return DeviceMemoryError(memory_message(message))
        return DeviceError(f"{message}; {COMPILE_AGAIN}")


@cache
def _error_logger(base: type[Logger]) -> tuple[Logger, deque[str]]:
    """One for all engines: the library reports much to the first logger of the process."""
    messages = deque[str](maxlen=4)
    return error_logger(base, messages), messages
