"""Opens the engine that the configuration names, and gives freed memory back. Knows no bundle."""

import ctypes
import gc
import importlib.util
from pathlib import Path

from inspector.engines.engine import Engine, EngineError, EngineSettings
from inspector.engines.onnx_runtime import OnnxEngine


def open_engine(path: Path, settings: EngineSettings) -> Engine:
    """Raises EngineError where the engine is not to be had here, or refuses the graph."""
    match settings.name:
        case "onnx":
            return OnnxEngine(path, settings.threads)
        case "openvino":
            return _open_openvino(path, settings.threads)
        case "torch":
            raise EngineError(
                "engine 'torch' runs modules, and a bundle holds none: it is the oracle of training and tests; "
                'set engine = "onnx" or "openvino"'
            )
        case "tensorrt":
            raise EngineError('engine \'tensorrt\' is not yet part of this version; set engine = "onnx" or "openvino"')


def _open_openvino(path: Path, threads: int) -> Engine:
    if importlib.util.find_spec("openvino") is None:
        raise EngineError("engine 'openvino' is not installed; install it: in the checkout, pip install '.[openvino]'")
    from inspector.engines.openvino_cpu import OpenVinoEngine

    return OpenVinoEngine(path, threads)


def trim_memory() -> None:
    """Returns the heap that loading left behind, where the C library can: it more than halves the memory held."""
    gc.collect()
    try:
        trim = ctypes.CDLL("libc.so.6").malloc_trim
    except (OSError, AttributeError):
        return
    trim(0)
