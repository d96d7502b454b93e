"""Runs a graph with ONNX Runtime on the CPU: the default engine, and the reference in serving."""

from collections.abc import Mapping
from pathlib import Path

import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from inspector.engines.engine import Array, EngineError, Port

ORT_ERRORS = (
    ort_errors.EPFail,
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoSuchFile,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
    ValueError,
)
"""ONNX Runtime's exceptions have no common base; missing or misnamed inputs are ValueErrors of its Python layer."""


class OnnxEngine:
    def __init__(self, path: Path, threads: int) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # It raises every error that it would print.
        # Waiting threads sleep: spinning ones would take the CPU from the join and the clients.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # The arena kept 81 MiB after batches of 16 where 58 do without it, and was not faster.
        options.enable_cpu_mem_arena = False
        try:
            self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except ORT_ERRORS as exc:
            raise EngineError(f"{path}: ONNX Runtime {ort.__version__} cannot load it: {exc}") from exc
        self.inputs = tuple(_port(node.name, node.shape) for node in self._session.get_inputs())
        self.outputs = tuple(_port(node.name, node.shape) for node in self._session.get_outputs())
        self._names = [port.name for port in self.outputs]

    def run(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        try:
            return dict(zip(self._names, self._session.run(self._names, inputs), strict=True))
        except ORT_ERRORS as exc:
            raise EngineError(f"ONNX Runtime: {exc}") from exc


def _port(name: str, shape: list[int | str | None]) -> Port:
    return Port(name, tuple(size if isinstance(size, int) else None for size in shape))
