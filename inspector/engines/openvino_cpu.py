"""Runs a graph with OpenVINO on the CPU, in float32 throughout. Imported only where the configuration asks for it."""

from collections.abc import Mapping
from pathlib import Path
from threading import Lock

import openvino as ov

from inspector.engines.engine import Array, EngineError, Port


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
        for port in self.inputs:
            _check(port, inputs.get(port.name))
        with self._lock:
            try:
                results = self._request.infer(dict(inputs))
            except RuntimeError as exc:
                raise EngineError(f"OpenVINO: {exc}") from exc
            return {port.name: results[index].copy() for index, port in enumerate(self.outputs)}


def _check(port: Port, value: Array | None) -> None:
    """OpenVINO itself runs a dynamic graph on sizes that its input does not allow."""
    shape = None if value is None else value.shape
    if (
        shape is None
        or len(shape) != len(port.shape)
        or any(want is not None and size != want for size, want in zip(shape, port.shape, strict=True))
    ):
        raise EngineError(f"OpenVINO: input {port.name!r} has shape {shape}, expected {port.shape}")


def _port(node: ov.ConstOutput) -> Port:
    sizes = node.get_partial_shape()
    return Port(node.get_any_name(), tuple(None if size.is_dynamic else size.get_length() for size in sizes))
