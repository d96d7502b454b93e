# ruff: noqa: N802
"""Names the calls of CUDA and of TensorRT's runtime that are used, as their Python bindings have them. Implements none.

Every CUDA call answers a tuple that begins with its error, 0 being none; what follows is None after an error.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, SupportsInt

Distribution = Literal["tensorrt-rtx", "tensorrt"]


class CopyKinds(Protocol):
    @property
    def cudaMemcpyHostToDevice(self) -> int: ...

    @property
    def cudaMemcpyDeviceToHost(self) -> int: ...


class DeviceProperties(Protocol):
    @property
    def name(self) -> bytes: ...

    @property
    def major(self) -> int: ...

    @property
    def minor(self) -> int: ...


class Cuda(Protocol):
    """Of `cuda.bindings.runtime`."""

    @property
    def cudaMemcpyKind(self) -> CopyKinds: ...

    def cudaGetDeviceCount(self) -> tuple[int, int]: ...

    def cudaGetDeviceProperties(self, device: int) -> tuple[int, DeviceProperties]: ...

    def cudaDriverGetVersion(self) -> tuple[int, int]: ...

    def cudaMemGetInfo(self) -> tuple[int, int, int]:
        """Error, free bytes, all bytes."""

    def cudaGetErrorName(self, error: int) -> tuple[int, bytes]: ...

    def cudaGetErrorString(self, error: int) -> tuple[int, bytes]: ...

    def cudaStreamCreate(self) -> tuple[int, SupportsInt]: ...

    def cudaStreamDestroy(self, stream: SupportsInt) -> tuple[int]: ...

    def cudaStreamSynchronize(self, stream: SupportsInt) -> tuple[int]: ...

    def cudaMalloc(self, size: int) -> tuple[int, int]: ...

    def cudaFree(self, devPtr: int) -> tuple[int]: ...

    def cudaMemcpyAsync(self, dst: int, src: int, count: int, kind: int, stream: SupportsInt) -> tuple[int]: ...


class RuntimeCache(Protocol):
    """Of TensorRT for RTX: kernels that were made for this device."""

    def deserialize(self, blob: bytes) -> bool: ...

    def serialize(self) -> "bytes | memoryview | None": ...


class RuntimeConfig(Protocol):
    """Of TensorRT for RTX."""

    dynamic_shapes_kernel_specialization_strategy: object

    def create_runtime_cache(self) -> RuntimeCache: ...

    def set_runtime_cache(self, cache: RuntimeCache) -> bool: ...


class Context(Protocol):
    """`IExecutionContext`: a call that fails answers False, and tells the logger why."""

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool: ...

    def get_tensor_shape(self, name: str) -> Sequence[int]: ...

    def set_tensor_address(self, name: str, memory: int) -> bool: ...

    def execute_async_v3(self, stream_handle: int) -> bool: ...


class CudaEngine(Protocol):
    """`ICudaEngine`."""

    @property
    def num_io_tensors(self) -> int: ...

    def get_tensor_name(self, index: int) -> str: ...

    def get_tensor_mode(self, name: str) -> object: ...

    def get_tensor_dtype(self, name: str) -> object: ...

    def get_tensor_shape(self, name: str) -> Sequence[int]:
        """-1 for a size that is not fixed."""

    def create_runtime_config(self) -> RuntimeConfig: ...

    def create_execution_context(self, runtime_config: RuntimeConfig | None = None) -> Context | None: ...


class Runtime(Protocol):
    def get_engine_validity(self, buffer: bytes) -> tuple[object, int]:
        """Of TensorRT for RTX alone. The second is a sum of `EngineInvalidityDiagnostics`."""

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> CudaEngine | None: ...


class IoModes(Protocol):
    @property
    def INPUT(self) -> object: ...


class DataTypes(Protocol):
    @property
    def FLOAT(self) -> object: ...


class Strategies(Protocol):
    @property
    def EAGER(self) -> object: ...


class Logger(Protocol):
    """`ILogger`: an implementation of ours inherits from it."""

    ERROR: object
    INTERNAL_ERROR: object

    def log(self, severity: object, msg: str) -> None: ...


class TensorRt(Protocol):
    """Of `tensorrt_rtx` and `tensorrt`."""

    @property
    def __version__(self) -> str: ...

    @property
    def ILogger(self) -> type[Logger]: ...

    @property
    def TensorIOMode(self) -> IoModes: ...

    @property
    def DataType(self) -> DataTypes: ...

    @property
    def DynamicShapesKernelSpecializationStrategy(self) -> Strategies:
        """Of TensorRT for RTX alone."""

    def Runtime(self, logger: Logger) -> Runtime: ...


@dataclass(frozen=True, slots=True)
class GpuApi:
    """The libraries that an engine uses: the real ones, or the tests' stand-in."""

    distribution: Distribution
    trt: TensorRt
    cuda: Cuda

    @property
    def compiler(self) -> str:
        """As `Compiled.compiler` has it."""
        return f"{self.distribution} {self.trt.__version__}"
