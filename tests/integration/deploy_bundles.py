"""Copies of the demo's bundle under other versions, and one whose INT8 scales were spoiled on purpose."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from tests.integration.faults import ROOT

DEMO = ROOT / "deploy/bundles/demo"
SPOILED_BY = 4.0


def copy_of_demo(folder: Path, version: str) -> Path:
    """Decides as the demo does, under its own version and digest."""
    shutil.copytree(DEMO, folder)
    _edit(folder, {"version": version})
    return folder


def spoiled(folder: Path, version: str) -> Path:
    """Carries a form for onnx/int8 whose thumbnail is off by a factor; every hash is right."""
    copy_of_demo(folder, version)
    file = "top-scout.int8.onnx"
    model = onnx.load(folder / "top-scout.onnx")
    _quantise_weights(model.graph, SPOILED_BY)
    onnx.save(model, folder / file)
    content = (folder / file).read_bytes()
    form = {
        "engine": "onnx",
        "precision": "int8",
        "compiler": "onnxruntime",
        "graphs": [{"part": "top-scout", "file": file, "precision": "int8", "seconds": 1.0, "num_bytes": len(content)}],
    }
    files = json.loads((folder / "bundle.json").read_text())["files"]
    _edit(folder, {"compiled": [form], "files": files | {file: hashlib.sha256(content).hexdigest()}})
    return folder


def _quantise_weights(graph: onnx.GraphProto, factor: float) -> None:
    """Weights of convolutions become INT8 with scales that are off by a factor."""
    weights = {node.input[1] for node in graph.node if node.op_type == "Conv"}
    for initialiser in [weight for weight in graph.initializer if weight.name in weights]:
        name, values = initialiser.name, numpy_helper.to_array(initialiser)
        scale = np.float32(np.abs(values).max() / 127)
        graph.initializer.remove(initialiser)
        graph.initializer.append(numpy_helper.from_array(np.round(values / scale).astype(np.int8), f"{name}_int8"))
        graph.initializer.append(numpy_helper.from_array(np.asarray(scale * factor, np.float32), f"{name}_scale"))
        inputs = [f"{name}_int8", f"{name}_scale"]
        graph.node.insert(0, onnx.helper.make_node("DequantizeLinear", inputs, [name]))


def _edit(folder: Path, change: dict[str, object]) -> None:
    path = folder / "bundle.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change), encoding="utf-8")
