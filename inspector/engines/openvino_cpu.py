"""Runs a graph with OpenVINO on the CPU: in float32, and in INT8 where the graph is quantised.

Imported only where a form of a bundle for it is opened. An expert's graph is compiled for one image or clip, and takes
those of a batch one after another: a run has 5 to 15 % less to do than one of a free size, and a score does not depend
on what shares its batch (INT8 differed by 4e-4). The price is up to a fifth more time for the pieces of a batch of 16.
"""

from collections.abc import Mapping
from pathlib import Path
from threading import Lock

import openvino as ov

from inspector.engines.engine import Array, EngineError, Port, check_inputs, run_in_chunks


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
            core = ov.Core()
            graph = core.read_model(path)
            self.inputs = tuple(_port(node) for node in graph.inputs)
            self.outputs = tuple(_port(node) for node in graph.outputs)
            # Heads alone have several inputs, and stay free: fixed sizes of masked attention crash OpenVINO 2026.4.1.
            self._one_by_one = len(self.inputs) == 1
            if self._one_by_one:
                graph.reshape([1, *graph.inputs[0].get_partial_shape()[1:]])
            self._request = core.compile_model(graph, "CPU", settings).create_infer_request()
        except RuntimeError as exc:
            raise EngineError(f"{path}: OpenVINO {ov.__version__} cannot load it: {exc}") from exc
        self._lock = Lock()

    def run(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        num = check_inputs("OpenVINO", self.inputs, inputs)
        with self._lock:
            return run_in_chunks(num, 1 if self._one_by_one else num, lambda rows: self._infer(inputs, rows))

    def _infer(self, inputs: Mapping[str, Array], rows: slice) -> Mapping[str, Array]:
        chunk = {name: value[rows] for name, value in inputs.items()}
        try:
            # Inputs are not copied on their way in (3 % faster), outputs once: the request overwrites its own.
            results = self._request.infer(chunk, share_inputs=True, share_outputs=True)
        except RuntimeError as exc:
            raise EngineError(f"OpenVINO: {exc}") from exc
        return {port.name: results[index].copy() for index, port in enumerate(self.outputs)}


def _port(node: ov.Output) -> Port:
    sizes = node.get_partial_shape()
    return Port(node.get_any_name(), tuple(None if size.is_dynamic else size.get_length() for size in sizes))
