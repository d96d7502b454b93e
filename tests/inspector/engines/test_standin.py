"""The STAND-IN for a GPU detects misuse of a GPU, and has the names and conventions of the real bindings."""

import hashlib
import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest

from inspector.engines.engine import DeviceMemoryError, IncompatibleEngineError, NoDriverError, WrongDeviceError
from inspector.engines.tensorrt import gpu_api
from inspector.engines.tensorrt.device import invalidity
from inspector.engines.tensorrt.runtime import load_tensorrt
from tests.standins import tensorrt as standin
from tests.standins.cuda import CopyKind, Faults, MisuseError, StandInCuda
from tests.standins.gpus import BATCHES, StandInGpu, compiled_file

HOST = np.arange(8, dtype=np.float32)
TO_DEVICE, TO_HOST = CopyKind.cudaMemcpyHostToDevice, CopyKind.cudaMemcpyDeviceToHost


def cuda_with_memory(num_bytes: int = 32) -> tuple[StandInCuda, int, int]:
    cuda = StandInCuda()
    address, stream = cuda.cudaMalloc(num_bytes)[1], cuda.cudaStreamCreate()[1]
    assert isinstance(address, int)
    assert isinstance(stream, int)
    return cuda, address, stream


def free_twice(cuda: StandInCuda, address: int, stream: int) -> None:
    cuda.cudaFree(address)
    cuda.cudaFree(address)


def copy_after_free(cuda: StandInCuda, address: int, stream: int) -> None:
    cuda.cudaFree(address)
    cuda.cudaMemcpyAsync(address, HOST.ctypes.data, 32, TO_DEVICE, stream)


def free_under_a_copy(cuda: StandInCuda, address: int, stream: int) -> None:
    cuda.cudaMemcpyAsync(address, HOST.ctypes.data, 32, TO_DEVICE, stream)
    cuda.cudaFree(address)


@pytest.mark.parametrize(
    ("misuse", "message"),
    [
        (free_twice, "which is not allocated, or no longer"),
        (copy_after_free, "lies in no allocation"),
        (free_under_a_copy, "cudaFree while 1 operations wait"),
        (lambda c, a, s: c.cudaMemcpyAsync(a, 0, 36, TO_DEVICE, s), "36 bytes at .* reach 4 beyond the allocation"),
        (lambda c, a, s: c.cudaMemcpyAsync(0, a + 8, 28, TO_HOST, s), "reach 4 beyond the allocation"),
        (lambda c, a, s: c.cudaMemcpyAsync(a, 0, 4, 1, s), "is no cudaMemcpyKind"),
        (lambda c, a, s: c.cudaMemcpyAsync(a, 0, 4, TO_DEVICE, s + 8), "stream .* does not exist"),
        (lambda c, a, s: c.cudaMalloc(0), "allocation of 0 bytes"),
        (lambda c, a, s: c.check_all_freed(), "1 allocations of 32 bytes were never freed"),
    ],
)
def test_misuse_of_memory_is_seen(misuse: Callable[[StandInCuda, int, int], object], message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        misuse(*cuda_with_memory())


def test_what_is_not_waited_for_has_not_arrived() -> None:
    cuda, address, stream = cuda_with_memory()
    back = np.zeros(8, np.float32)
    cuda.cudaMemcpyAsync(address, HOST.ctypes.data, 32, TO_DEVICE, stream)
    cuda.cudaMemcpyAsync(back.ctypes.data, address, 32, TO_HOST, stream)
    assert not back.any()
    assert cuda.cudaStreamSynchronize(stream) == (0,)
    np.testing.assert_array_equal(back, HOST)


class Opened(Protocol):
    def __call__(self, gpu: StandInGpu, context: standin.Context, stream: int) -> object: ...


def no_addresses(gpu: StandInGpu, context: standin.Context, stream: int) -> None:
    context.set_input_shape("input", (1, 1, 16))
    context.execute_async_v3(stream)


def freed_address(gpu: StandInGpu, context: standin.Context, stream: int) -> None:
    address = gpu.cuda.cudaMalloc(64)[1] or 0
    gpu.cuda.cudaFree(address)
    context.set_tensor_address("input", address)


def small_output(gpu: StandInGpu, context: standin.Context, stream: int) -> None:
    context.set_input_shape("input", (2, 1, 16))
    for name in ("input", "tokens", "logits", "relevance"):
        context.set_tensor_address(name, gpu.cuda.cudaMalloc(64)[1] or 0)
    context.execute_async_v3(stream)


def no_shape(gpu: StandInGpu, context: standin.Context, stream: int) -> None:
    for name in ("input", "tokens", "logits", "relevance"):
        context.set_tensor_address(name, gpu.cuda.cudaMalloc(64)[1] or 0)
    context.execute_async_v3(stream)


@pytest.mark.parametrize(
    ("misuse", "message"),
    [
        (no_addresses, r"without addresses of \['input', 'logits', 'relevance', 'tokens'\]"),
        (no_shape, "without all shapes"),
        (freed_address, "'input' is no live allocation"),
        (small_output, "128 bytes at .* reach 64 beyond"),
    ],
)
def test_misuse_of_a_context_is_seen(tmp_path: Path, misuse: Opened, message: str) -> None:
    gpu = StandInGpu()
    engine = gpu.trt.Runtime(standin.ILogger()).deserialize_cuda_engine(compiled_file(tmp_path, gpu).path.read_bytes())
    assert engine is not None
    context, stream = engine.create_execution_context(), gpu.cuda.cudaStreamCreate()[1]
    assert context is not None
    assert isinstance(stream, int)
    with pytest.raises(MisuseError, match=message):
        misuse(gpu, context, stream)


class Silent(standin.ILogger):
    def log(self, severity: object, msg: str) -> None:
        pass


@pytest.mark.parametrize("shape", [(BATCHES[-1] + 1, 1, 16), (0, 1, 16), (1, 2, 16), (1, 16)])
def test_shapes_outside_the_profile_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    gpu = StandInGpu()
    engine = gpu.trt.Runtime(Silent()).deserialize_cuda_engine(compiled_file(tmp_path, gpu).path.read_bytes())
    assert engine is not None
    context = engine.create_execution_context()
    assert context is not None
    assert not context.set_input_shape("input", shape)


def calls_of(protocol: type) -> list[str]:
    return [name for name, value in vars(protocol).items() if inspect.isfunction(value) and not name.startswith("_")]


CUDA_CALLS = calls_of(gpu_api.Cuda)


@pytest.mark.parametrize("name", CUDA_CALLS)
def test_cuda_calls_are_those_of_the_bindings(name: str) -> None:
    real = importlib.import_module("cuda.bindings.runtime")
    parameters = list(inspect.signature(getattr(StandInCuda(), name)).parameters)
    assert list(inspect.signature(getattr(real, name)).parameters) == parameters


ARGUMENTS: dict[str, tuple[object, ...]] = {
    "cudaGetDeviceProperties": (0,),
    "cudaMalloc": (16,),
}
"""For the calls that can be made where there is no driver, and answer that."""


@pytest.mark.parametrize(
    "name",
    [
        "cudaGetDeviceCount",
        "cudaDriverGetVersion",
        "cudaGetDeviceProperties",
        "cudaMemGetInfo",
        "cudaStreamCreate",
        "cudaMalloc",
    ],
)
def test_without_a_driver_the_bindings_answer_as_the_stand_in_does(name: str) -> None:
    real = importlib.import_module("cuda.bindings.runtime")
    if real.cudaDriverGetVersion()[1]:
        pytest.skip("this machine has a driver: the answers of the bindings without one cannot be tested here")
    without = StandInCuda(Faults(no_driver=True))
    assert getattr(without, name)(*ARGUMENTS.get(name, ())) == getattr(real, name)(*ARGUMENTS.get(name, ()))


@pytest.mark.parametrize("error", [0, 2, 35, 700])
def test_errors_have_the_names_of_the_bindings(error: int) -> None:
    real = importlib.import_module("cuda.bindings.runtime")
    texts = real.cudaGetErrorName(real.cudaError_t(error)), real.cudaGetErrorString(real.cudaError_t(error))
    assert texts == (StandInCuda().cudaGetErrorName(error), StandInCuda().cudaGetErrorString(error))


def test_copies_have_the_kinds_of_the_bindings() -> None:
    real = importlib.import_module("cuda.bindings.runtime").cudaMemcpyKind
    assert {kind.name: int(getattr(real, kind.name)) for kind in CopyKind} == {k.name: k.value for k in CopyKind}


CLASSES = {
    "Runtime": (standin.Runtime, gpu_api.Runtime),
    "ICudaEngine": (standin.CudaEngine, gpu_api.CudaEngine),
    "IExecutionContext": (standin.Context, gpu_api.Context),
    "IRuntimeConfig": (standin.RuntimeConfig, gpu_api.RuntimeConfig),
    "IRuntimeCache": (standin.RuntimeCache, gpu_api.RuntimeCache),
}


@pytest.mark.parametrize("name", CLASSES)
def test_runtime_calls_are_those_of_tensorrt(name: str) -> None:
    distribution, trt = load_tensorrt()
    if distribution == "tensorrt" and name.startswith("IRuntime"):
        pytest.skip("TensorRT for RTX alone has it")
    stand_in, protocol = CLASSES[name]
    real = getattr(trt, name)
    for call in calls_of(protocol):
        docstring = inspect.getdoc(getattr(real, call)) or ""
        for parameter in list(inspect.signature(getattr(stand_in, call)).parameters)[1:]:
            assert parameter in docstring, f"{name}.{call} has no parameter {parameter!r}: {docstring}"
    for value in ("TensorIOMode", "DataType"):
        members = {member.name for member in getattr(standin, value)}
        assert members <= set(getattr(trt, value).__members__)


def test_diagnostics_have_the_values_of_tensorrt_for_rtx() -> None:
    distribution, trt = load_tensorrt()
    if distribution == "tensorrt":
        pytest.skip("TensorRT for RTX alone has them")
    names = ("VERSION_MISMATCH", "UNSUPPORTED_CC", "OLD_CUDA_DRIVER", "OLD_CUDA_RUNTIME", "INSUFFICIENT_GPU_MEMORY")
    members = vars(trt)["EngineInvalidityDiagnostics"].__members__
    real = [members[name].value for name in (*names, "MALFORMED_ENGINE")]
    kinds = [
        IncompatibleEngineError,
        WrongDeviceError,
        NoDriverError,
        NoDriverError,
        DeviceMemoryError,
        IncompatibleEngineError,
    ]
    assert [reason and reason[0] for reason in map(invalidity, real)] == kinds


def test_the_stand_in_is_known_by_its_hashes_alone(tmp_path: Path) -> None:
    gpu = StandInGpu()
    file = compiled_file(tmp_path, gpu)
    assert list(gpu.trt.graphs) == [hashlib.sha256(file.path.read_bytes()).hexdigest()]
    assert gpu.trt.Runtime(Silent()).deserialize_cuda_engine(b"anything else") is None
