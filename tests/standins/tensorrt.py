# ruff: noqa: N802
"""A STAND-IN for TensorRT's runtime: an engine is looked up by its hash, and its ONNX graph runs on the CPU.

It never reads an engine: `graphs` says which ONNX file each belongs to. Its memory is that of the stand-in for CUDA.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import cast

import numpy as np
import onnxruntime as ort

from inspector.engines.engine import Array
from inspector.engines.tensorrt.gpu_api import Cuda, Distribution, GpuApi, Logger, TensorRt
from tests.standins.cuda import MisuseError, StandInCuda

VERSION = "1.7.1.116"


class Severity(Enum):
    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2


class ILogger:
    INTERNAL_ERROR: object = Severity.INTERNAL_ERROR
    ERROR: object = Severity.ERROR
    WARNING = Severity.WARNING

    def log(self, severity: object, msg: str) -> None:
        raise NotImplementedError


class TensorIOMode(Enum):
    INPUT = 1
    OUTPUT = 2


class DataType(Enum):
    FLOAT = 0
    HALF = 1


KINDS = {"tensor(float)": DataType.FLOAT, "tensor(float16)": DataType.HALF}


class EngineValidity(Enum):
    VALID = 0
    SUBOPTIMAL = 1
    INVALID = 2


class DynamicShapesKernelSpecializationStrategy(Enum):
    LAZY = 0
    EAGER = 1


@dataclass
class StandInTensorRt:
    """In the place of the module."""

    cuda: StandInCuda
    graphs: dict[str, Path] = field(default_factory=dict)
    """ONNX files by the SHA-256 of the engine."""
    version: str = VERSION
    context_fails: str | None = None
    """The runtime's message in place of a context."""
    runs_fail_after: int | None = None
    """Launches that still work; from then on the runtime finds no memory for its scratch."""
    invalid: int = 0
    """Diagnostics of every engine."""
    refuses_caches: bool = False
    max_batch: int = 16
    seen: int = 0
    """Engines that reached the runtime."""
    kernels_made: int = 0

    ILogger = ILogger
    TensorIOMode = TensorIOMode
    DataType = DataType
    DynamicShapesKernelSpecializationStrategy = DynamicShapesKernelSpecializationStrategy

    @property
    def __version__(self) -> str:
        return self.version

    def Runtime(self, logger: Logger) -> "Runtime":
        return Runtime(self, logger)

    def api(self, distribution: Distribution = "tensorrt-rtx") -> GpuApi:
        return GpuApi(distribution, cast(TensorRt, self), cast(Cuda, self.cuda))


@dataclass
class Runtime:
    trt: StandInTensorRt
    logger: Logger

    def get_engine_validity(self, buffer: bytes) -> tuple[Enum, int]:
        """Everything is of this version and GPU, or nothing is an engine at all."""
        if self.trt.invalid:
            return EngineValidity.INVALID, self.trt.invalid
        known = hashlib.sha256(buffer).hexdigest() in self.trt.graphs
        return (EngineValidity.VALID, 0) if known else (EngineValidity.INVALID, 0)

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> "CudaEngine | None":
        self.trt.seen += 1
        graph = self.trt.graphs.get(hashlib.sha256(serialized_engine).hexdigest())
        if graph is None or self.trt.invalid:
            self.logger.log(ILogger.ERROR, "IRuntime::deserializeCudaEngine: the engine is malformed")
            return None
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        return CudaEngine(self, ort.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"]))


class RuntimeCache:
    def __init__(self, device: str, *, refuses: bool = False) -> None:
        self._device, self._refuses = device, refuses
        self.kernels: set[str] = set()

    def deserialize(self, blob: bytes) -> bool:
        content = json.loads(blob)
        fits = content["device"] == self._device and not self._refuses
        if fits:
            self.kernels = set(content["kernels"])
        return fits

    def serialize(self) -> memoryview:
        return memoryview(json.dumps({"device": self._device, "kernels": sorted(self.kernels)}).encode())


@dataclass
class RuntimeConfig:
    device: str
    refuses_caches: bool = False
    cache: RuntimeCache | None = None
    dynamic_shapes_kernel_specialization_strategy: object = DynamicShapesKernelSpecializationStrategy.LAZY

    def create_runtime_cache(self) -> RuntimeCache:
        return RuntimeCache(self.device, refuses=self.refuses_caches)

    def set_runtime_cache(self, cache: RuntimeCache) -> bool:
        self.cache = cache
        return True


class CudaEngine:
    def __init__(self, runtime: Runtime, session: ort.InferenceSession) -> None:
        self.runtime, self.session = runtime, session
        self.inputs = {node.name: node.shape for node in session.get_inputs()}
        self.outputs = {node.name: node.shape for node in session.get_outputs()}
        self.kinds = {node.name: KINDS[node.type] for node in (*session.get_inputs(), *session.get_outputs())}

    @property
    def num_io_tensors(self) -> int:
        return len(self.inputs) + len(self.outputs)

    def get_tensor_name(self, index: int) -> str:
        return [*self.inputs, *self.outputs][index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if name in self.inputs else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> DataType:
        return self.kinds[name]

    def get_tensor_shape(self, name: str) -> Sequence[int]:
        return tuple(size if isinstance(size, int) else -1 for size in (self.inputs | self.outputs)[name])

    def create_runtime_config(self) -> RuntimeConfig:
        trt = self.runtime.trt
        return RuntimeConfig(str(trt.cuda.faults.capability), trt.refuses_caches)

    def create_execution_context(self, runtime_config: RuntimeConfig | None = None) -> "Context | None":
        trt = self.runtime.trt
        if trt.context_fails is not None:
            self.runtime.logger.log(ILogger.ERROR, trt.context_fails)
            return None
        return Context(self, None if runtime_config is None else runtime_config.cache)


class Context:
    def __init__(self, engine: CudaEngine, cache: RuntimeCache | None) -> None:
        self._engine, self._trt, self._cache = engine, engine.runtime.trt, cache or RuntimeCache("")
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._addresses: dict[str, int] = {}

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        expected = self._engine.get_tensor_shape(name)
        fits = len(shape) == len(expected) and all(
            want in (-1, size) for want, size in zip(expected, shape, strict=True)
        )
        if not fits or not 1 <= shape[0] <= self._trt.max_batch:
            return self._refuse(f"setInputShape: {name} {shape} does not satisfy any optimization profile")
        self._shapes[name] = shape
        return True

    def get_tensor_shape(self, name: str) -> Sequence[int]:
        return self._run(self._zeros())[name].shape if name in self._engine.outputs else self._shapes[name]

    def set_tensor_address(self, name: str, memory: int) -> bool:
        if memory not in self._trt.cuda.memory:
            raise MisuseError(f"the address of {name!r} is no live allocation: {memory:#x}")
        self._addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        unset = (self._engine.inputs.keys() | self._engine.outputs.keys()) - self._addresses.keys()
        if unset or self._engine.inputs.keys() - self._shapes.keys():
            raise MisuseError(f"executed without addresses of {sorted(unset)} or without all shapes")
        shapes = dict(self._shapes) | {name: value.shape for name, value in self._run(self._zeros()).items()}
        addresses = dict(self._addresses)
        for name, shape in shapes.items():
            self._trt.cuda.block(addresses[name], 4 * math.prod(shape))
        if self._trt.runs_fail_after is not None and self._trt.cuda.num_launches >= self._trt.runs_fail_after:
            return self._refuse("executeV3: Error Code 2: OutOfMemory (Requested size was 1024 bytes.)")
        self._make_kernel(shapes)
        self._trt.cuda.launch(stream_handle, lambda: self._compute(shapes, addresses))
        return True

    def _compute(self, shapes: Mapping[str, tuple[int, ...]], addresses: Mapping[str, int]) -> None:
        cuda, inputs = self._trt.cuda, {}
        for name in self._engine.inputs:
            content = cuda.read(addresses[name], 4 * math.prod(shapes[name]))
            inputs[name] = np.frombuffer(content, np.float32).reshape(shapes[name])
        for name, value in self._run(inputs).items():
            cuda.write(addresses[name], value.tobytes())

    def _make_kernel(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        kernel = repr(sorted(shapes.items()))
        if kernel not in self._cache.kernels:
            self._trt.kernels_made += 1
            self._cache.kernels.add(kernel)

    def _zeros(self) -> dict[str, Array]:
        return {name: np.zeros(shape, np.float32) for name, shape in self._shapes.items()}

    def _run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        names = list(self._engine.outputs)
        return dict(zip(names, self._engine.session.run(names, inputs), strict=True))

    def _refuse(self, message: str) -> bool:
        self._engine.runtime.logger.log(ILogger.ERROR, message)
        return False
