"""Turns CUDA's answers into a device, or an error with a remedy."""

from collections.abc import Mapping
from typing import NamedTuple

from inspector.engines.engine import (
    DeviceMemoryError,
    EngineError,
    IncompatibleEngineError,
    LostDeviceError,
    NoDriverError,
    WrongDeviceError,
)
from inspector.engines.tensorrt.gpu_api import Cuda

OUT_OF_MEMORY = 2
"""cudaErrorMemoryAllocation"""
NO_DEVICE = 100
"""cudaErrorNoDevice"""
DRIVER_TOO_OLD = 35
"""cudaErrorInsufficientDriver: also what CUDA answers where there is no driver at all."""
INSTALL_DRIVER = "install NVIDIA's driver, and give a container the device (docker run --gpus all)"


class Device(NamedTuple):
    name: str
    capability: str
    """Compute capability, such as 8.9."""
    driver: str
    """CUDA version that the driver serves, such as 13.0."""
    free_bytes: int

    def __str__(self) -> str:
        return f"{self.name}, compute capability {self.capability}, driver for CUDA {self.driver}"


def checked(cuda: Cuda, what: str, error: int) -> None:
    """Raises DeviceMemoryError or LostDeviceError where a CUDA call failed."""
    if error == 0:
        return
    message = f"{what}: {error_text(cuda, error)}"
    if error == OUT_OF_MEMORY:
        raise DeviceMemoryError(memory_message(message))
    raise LostDeviceError(
        f"{message}; this process has lost the device: restart the service, and look for Xid in the kernel's log"
    )


def error_text(cuda: Cuda, error: int) -> str:
    name, text = cuda.cudaGetErrorName(error)[1], cuda.cudaGetErrorString(error)[1]
    return f"{name.decode()} ({text.decode()})"


def memory_message(status: str) -> str:
    return f"{status}; free memory of the GPU from other processes, or compile for smaller batches"


_INVALID: Mapping[int, tuple[type[EngineError], str]] = {
    1: (IncompatibleEngineError, "was built by another version; compile the bundle again"),
    2: (WrongDeviceError, "was not built for this GPU; compile the bundle with its compute capability as target"),
    4: (NoDriverError, f"needs a newer driver; {INSTALL_DRIVER}"),
    8: (NoDriverError, "needs a newer CUDA runtime; install the TensorRT that compiled it"),
    16: (DeviceMemoryError, memory_message("needs more memory than the GPU has free")),
    32: (IncompatibleEngineError, "is malformed; compile the bundle again"),
}
"""What TensorRT for RTX may find: its `EngineInvalidityDiagnostics`."""


def invalidity(diagnostics: int) -> tuple[type[EngineError], str] | None:
    """The first cause; None where it gives none that helps."""
    return next((reason for flag, reason in _INVALID.items() if diagnostics & flag), None)


def find_device(cuda: Cuda) -> Device:
    """The first device. Raises NoDriverError, DeviceMemoryError, LostDeviceError."""
    error, count = cuda.cudaGetDeviceCount()
    version_error, version = cuda.cudaDriverGetVersion()
    if error == DRIVER_TOO_OLD and (version_error != 0 or version == 0):
        raise NoDriverError(f"no CUDA driver (libcuda.so.1 not found); {INSTALL_DRIVER}")
    if error == DRIVER_TOO_OLD:
        raise NoDriverError(f"the driver serves CUDA {_version(version)}, which is too old; {INSTALL_DRIVER}")
    if error == NO_DEVICE or (error == 0 and count == 0):
        raise NoDriverError(f"the CUDA driver finds no device; {INSTALL_DRIVER}")
    checked(cuda, "count devices", error)
    error, properties = cuda.cudaGetDeviceProperties(0)
    checked(cuda, "read the device's properties", error)
    error, free_bytes, _ = cuda.cudaMemGetInfo()
    checked(cuda, "read the device's memory", error)
    return Device(properties.name.decode(), f"{properties.major}.{properties.minor}", _version(version), free_bytes)


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"
