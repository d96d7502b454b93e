"""Gives engine tests a GPU: the STAND-IN, or the real one where INSPECTOR_TEST_GPU is set (`make test-gpu`)."""

import hashlib
import json
import os
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from inspector.compile.tensorrt.build import build, find_compiler
from inspector.engines.engine import EngineError
from inspector.engines.tensorrt.device import find_device
from inspector.engines.tensorrt.engine_file import RTX_MAGIC, EngineFile
from inspector.engines.tensorrt.gpu_api import Distribution, GpuApi
from inspector.engines.tensorrt.runtime import load_api
from tests.bundles import Toy, edit_manifest, save_expert, write_toy_bundle
from tests.standins.cuda import Faults, StandInCuda
from tests.standins.tensorrt import StandInTensorRt

BATCHES = (1, 2, 4)
GRAPHS = {"top-thumb": "thumb.onnx", "top-full": "full.onnx", "mic-ear": "ear.onnx", "head": "head.onnx"}


class Gpu(Protocol):
    api: GpuApi
    target: str

    def compiled(self, graph: Path) -> bytes:
        """An engine of this graph for BATCHES."""


class StandInGpu:
    """Not a GPU: see `tests.standins.cuda` and `tests.standins.tensorrt`."""

    def __init__(self, faults: Faults | None = None, distribution: Distribution = "tensorrt-rtx") -> None:
        self.cuda = StandInCuda(faults or Faults())
        self.trt = StandInTensorRt(self.cuda, max_batch=BATCHES[-1])
        self.api, self.target = self.trt.api(distribution), "8.6"

    def compiled(self, graph: Path) -> bytes:
        is_rtx = self.api.distribution == "tensorrt-rtx"
        header = rtx_header(64 + len(graph.name), self.trt.version) if is_rtx else b"ftrt"
        content = header + graph.name.encode()
        self.trt.graphs[hashlib.sha256(content).hexdigest()] = graph
        return content


class RealGpu:
    """Raises NoDriverError where there is none."""

    def __init__(self) -> None:
        self.api = load_api()
        self.target = find_device(self.api.cuda).capability

    def compiled(self, graph: Path) -> bytes:
        return build(graph.read_bytes(), {}, BATCHES, find_compiler((self.target,)))


def open_gpu() -> Gpu:
    return RealGpu() if os.environ.get("INSPECTOR_TEST_GPU") else StandInGpu()


def rtx_header(num_bytes: int, version: str) -> bytes:
    """As engines of TensorRT for RTX begin."""
    numbers = map(int, version.split("."))
    return struct.pack("<4s4xQQ4B", RTX_MAGIC, 2, num_bytes, *numbers).ljust(64, b"\0")


def compiled_file(folder: Path, gpu: Gpu, graph: str = "ear.onnx") -> EngineFile:
    """One graph of the toy bundle, compiled next to it."""
    if not (folder / graph).exists():
        write_toy_bundle(folder)
    content = gpu.compiled(folder / graph)
    path = folder / graph.replace(".onnx", ".engine")
    path.write_bytes(content)
    return EngineFile(path, hashlib.sha256(content).hexdigest(), gpu.api.compiler, (gpu.target,), BATCHES)


def compiled_toy(folder: Path, gpu: Gpu, parts: Sequence[str] = tuple(GRAPHS), toy: Toy | None = None) -> Path:
    """A toy bundle with a form tensorrt/fp16 that names these parts."""
    write_toy_bundle(folder, toy)
    files = [compiled_file(folder, gpu, GRAPHS[part]) for part in parts]
    add_form(folder, "tensorrt/fp16", dict(zip(parts, files, strict=True)))
    return folder


def quantised(folder: Path, label: str = "onnx/int8", gain: float = 8) -> Path:
    """Adds a form for a CPU to a toy bundle; its full expert has another gain than 16: a test sees which one ran."""
    path = folder / f"full.{label.replace('/', '.')}.onnx"
    save_expert(path, gain)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    add_form(folder, label, {"top-full": EngineFile(path, digest, "onnxruntime 1.31.1", (), ())})
    return folder


def add_form(folder: Path, label: str, graphs: dict[str, EngineFile]) -> None:
    """Enters compiled files into the manifest."""
    engine, _, precision = label.partition("/")
    manifest = json.loads((folder / "bundle.json").read_text())
    first = next(iter(graphs.values()))
    form = {
        "engine": engine, "precision": precision, "compiler": first.compiler, "targets": first.targets,
        "batches": first.batches,
        "graphs": [
            {"part": part, "file": file.path.name, "precision": precision, "seconds": 0.1,
             "num_bytes": file.path.stat().st_size}
            for part, file in graphs.items()
        ],
    }  # fmt: skip
    hashes = {file.path.name: file.sha256 for file in graphs.values()}
    change = {"compiled": [*manifest.get("compiled", []), form], "files": manifest["files"] | hashes}
    edit_manifest(folder, change)


if __name__ == "__main__":
    try:
        gpu_api = load_api()
        print(f"{gpu_api.compiler} on {find_device(gpu_api.cuda)}")
    except EngineError as exc:
        sys.exit(f"no GPU to test on: {exc}")
