"""Caches the kernels that TensorRT for RTX compiled for one device next to the bundle, so that a second start is fast.

Its files have a hash: a damaged file is dropped before the runtime reads it.
"""

import hashlib
import logging
from pathlib import Path

from inspector.bundle.files import cache_folder
from inspector.engines.sealed_file import DamagedError, read_sealed, write_sealed
from inspector.engines.tensorrt.device import Device
from inspector.engines.tensorrt.gpu_api import Context, CudaEngine, GpuApi, RuntimeCache, RuntimeConfig

log = logging.getLogger("inspector.engines")


def cache_path(engine: Path, sha256: str, device: Device, compiler: str) -> Path:
    """By GPU, driver, version and hash."""
    key = "\n".join((device.name, device.capability, device.driver, compiler, sha256.lower()))
    name = f"{engine.stem}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.kernels"
    return cache_folder(engine.parent) / name


def read_cache(path: Path) -> bytes | None:
    """None where there is none, or none that is whole."""
    try:
        return read_sealed(path)
    except FileNotFoundError:
        return None
    except OSError as exc:
        log.warning("Kernel cache %s cannot be read (%s): this start compiles the kernels again.", path, exc.strerror)
    except DamagedError:
        drop_cache(path, "is damaged")
    return None


def drop_cache(path: Path, why: str) -> None:
    log.warning("Kernel cache %s %s: it is dropped, and this start compiles the kernels again.", path, why)
    try:
        path.unlink(missing_ok=True)
    except OSError as exc:
        log.warning("Kernel cache %s cannot be removed (%s).", path, exc.strerror)


def write_cache(path: Path, blob: bytes) -> None:
    """Whole or not at all; a folder that cannot be written costs the next start its time, and nothing else."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_sealed(path, blob)
    except OSError as exc:
        log.warning(
            "Kernel cache %s cannot be written (%s): the next start compiles the kernels again.", path, exc.strerror
        )


class KernelCache:
    """Creates an engine's context: TensorRT for RTX compiles kernels for the device and keeps them in a cache.

    Keeps the objects that the context was created with alive: the library holds bare pointers.
    """

    def __init__(self, api: GpuApi, engine: CudaEngine, path: Path) -> None:
        self._api, self._engine, self._path = api, engine, path
        self._config: RuntimeConfig | None = None
        self._cache: RuntimeCache | None = None
        self._stored: bytes | None = None

    def context(self) -> Context | None:
        if self._api.distribution != "tensorrt-rtx":
            return self._engine.create_execution_context()
        config = self._engine.create_runtime_config()
        # LAZY, its default, changes kernels while the line runs, and scores with them.
        config.dynamic_shapes_kernel_specialization_strategy = (
            self._api.trt.DynamicShapesKernelSpecializationStrategy.EAGER
        )
        self._cache = config.create_runtime_cache()
        self._stored = read_cache(self._path)
        if self._stored is not None and not self._cache.deserialize(self._stored):
            drop_cache(self._path, "is not of this device, driver or version")
            self._stored = None
        config.set_runtime_cache(self._cache)
        self._config = config
        return self._engine.create_execution_context(config)

    def keep(self) -> None:
        """Called when every shape has run once; kernels are only ever added."""
        serialized = None if self._cache is None else self._cache.serialize()
        blob = b"" if serialized is None else bytes(serialized)
        if len(blob) > len(self._stored or b""):
            write_cache(self._path, blob)
