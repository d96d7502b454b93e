"""Opens an ONNX graph in the requested runtime, and returns freed memory to the system."""

import ctypes
import gc
import importlib.util
from pathlib import Path

from inspector.engines.engine import Engine, EngineError, EngineSettings


def open_engine(path: Path, settings: EngineSettings) -> Engine:
    """Raises EngineError where the engine is unavailable here, or refuses the graph."""
    check_installed(settings)
    match settings.name:
        case "onnx":
            from inspector.engines.onnx_runtime import OnnxEngine

            return OnnxEngine(path, settings.threads)
        case "openvino":
            from inspector.engines.openvino_cpu import OpenVinoEngine

            return OpenVinoEngine(path, settings.threads)
        case "torch":
            raise EngineError(
                "engine 'torch' runs modules, and a bundle holds none: it is the oracle of training and tests; "
                "set onnx/fp32 or openvino/fp32"
            )
        case "tensorrt":
            raise EngineError(f"{path.name} is no TensorRT engine; inspector compile BUNDLE --engine tensorrt")


def check_installed(settings: EngineSettings) -> None:
    """Raises EngineError for a runtime that is an extra, and absent."""
    if settings.name == "openvino" and importlib.util.find_spec("openvino") is None:
        raise EngineError("OpenVINO is not installed; in the checkout, pip install '.[openvino]'")


def trim_memory() -> None:
    """Returns the heap that loading left behind, where the C library can: it more than halves the memory held."""
    gc.collect()
    try:
        trim = ctypes.CDLL("libc.so.6").malloc_trim
    except (OSError, AttributeError):
        return
    trim(0)
