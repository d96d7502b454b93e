"""Runs a graph with OpenVINO on the CPU: in float32, and in INT8 where the graph is quantised.

Imported only where a form of a bundle for it is opened.
"""

from collections.abc import Mapping
from pathlib import Path
from threading import Lock

import openvino as ov

from inspector.engines.engine import Array, EngineError, Port, check_inputs


class OpenVinoEngine:
    def __init__(self, path: Path, threads: int) -> None:
        # bf16, its default on some processors, is slower where AMX is absent, and moves scores.
        settings = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": str(threads),
            "NUM_STREAMS": "1",
            "PERFORMANCE_HINT": "LATENCY",
        }
        try:
            self._model = ov.Core().compile_model(str(path), "CPU", settings)
        except RuntimeError as exc:
            raise EngineError(f"{path}: OpenVINO {ov.__version__} cannot load it: {exc}") from exc
        self._request = self._model.create_infer_request()
        self._lock = Lock()
        self.inputs = tuple(_port(node) for node in self._model.inputs)
        self.outputs = tuple(_port(node) for node in self._model.outputs)

    def run(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        check_inputs("OpenVINO", self.inputs, inputs)
        with self._lock:
            try:
                # Inputs are not copied on their way in (3 % faster), outputs once: the request overwrites its own.
                results = self._request.infer(dict(inputs), share_inputs=True, share_outputs=True)
            except RuntimeError as exc:
                raise EngineError(f"OpenVINO: {exc}") from exc
            return {port.name: results[index].copy() for index, port in enumerate(self.outputs)}


def _port(node: ov.ConstOutput) -> Port:
    sizes = node.get_partial_shape()
    return Port(node.get_any_name(), tuple(None if size.is_dynamic else size.get_length() for size in sizes))
