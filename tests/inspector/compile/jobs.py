"""Makes small jobs of the demo's bundle: a few of its parity pieces, so that the gate takes a moment."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
from onnx import ModelProto, numpy_helper

from inspector.bundle.load import LoadedBundle, load
from inspector.compile.feeds import calibration_pieces
from inspector.compile.job import Job, Wish
from inspector.parity.archive import set_of

DEMO = Path(__file__).parents[3] / "deploy/bundles/demo"
NUM_PIECES, NUM_CALIBRATION = 30, 3


def demo_copy(folder: Path) -> LoadedBundle:
    shutil.copytree(DEMO, folder)
    return load(folder)


def demo_job(scratch: Path, wish: Wish, bundle: LoadedBundle | None = None) -> Job:
    bundle = bundle or load(DEMO)
    parity = set_of(bundle)
    few = replace(parity, pieces=parity.pieces[:: len(parity.pieces) // NUM_PIECES][:NUM_PIECES])
    scratch.mkdir(exist_ok=True)
    return Job(bundle, wish, scratch, few, calibration_pieces(few, None)[:NUM_CALIBRATION], lambda part, doing: None)


def spoiled(model: ModelProto, factor: float = 0.05) -> ModelProto:
    """The scales of activations are too small, so that large values are cut off."""
    scales = {node.input[1] for node in model.graph.node if node.op_type == "QuantizeLinear"}
    for weight in model.graph.initializer:
        if weight.name in scales:
            weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * np.float32(factor), weight.name))
    return model
