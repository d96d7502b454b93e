"""Makes small jobs of the demo's bundle: a few of its parity pieces, among them some that every expert sees, so that
the gate takes a moment."""

import hashlib
import shutil
from collections.abc import Iterable, Set
from dataclasses import replace
from pathlib import Path

import numpy as np
from onnx import ModelProto, numpy_helper

from inspector.bundle.load import LoadedBundle, load
from inspector.compile.feeds import calibration_pieces
from inspector.compile.job import Job, Wish
from inspector.compile.quantise import Dialect, Feed, quantise
from inspector.parity.archive import set_of

DEMO = Path(__file__).parents[3] / "deploy/bundles/demo"
NUM_PIECES, NUM_CALIBRATION = 16, 3


def demo_copy(folder: Path) -> LoadedBundle:
    shutil.copytree(DEMO, folder)
    return load(folder)


def demo_job(scratch: Path, wish: Wish, bundle: LoadedBundle | None = None) -> Job:
    bundle = bundle or load(DEMO)
    parity = set_of(bundle)
    spread = parity.pieces[:: len(parity.pieces) // 30]
    few = replace(parity, pieces=tuple(sorted(spread, key=lambda piece: -len(piece.expected.experts))[:NUM_PIECES]))
    scratch.mkdir(exist_ok=True)
    return Job(bundle, wish, scratch, few, calibration_pieces(few, None)[:NUM_CALIBRATION], lambda part, doing: None)


_QUANTISED: dict[bytes, bytes] = {}


def quantised_once(
    model: ModelProto, feeds: Iterable[Feed], dialect: Dialect, left_out: Set[str] = frozenset()
) -> ModelProto:
    """Like `quantise`, half of a compilation's time; the tests compile the demo's graphs again and again."""
    inputs = list(feeds)
    question = hashlib.sha256(model.SerializeToString(deterministic=True))
    question.update(repr((dialect, sorted(left_out))).encode())
    for name, values in (item for feed in inputs for item in feed.items()):
        question.update(f"{name} {values.dtype} {values.shape}".encode() + values.tobytes())
    if question.digest() not in _QUANTISED:
        _QUANTISED[question.digest()] = quantise(model, inputs, dialect, left_out).SerializeToString()
    return ModelProto.FromString(_QUANTISED[question.digest()])


def spoiled(model: ModelProto, factor: float = 0.05) -> ModelProto:
    """The scales of activations are too small, so that large values are cut off."""
    scales = {node.input[1] for node in model.graph.node if node.op_type == "QuantizeLinear"}
    for weight in model.graph.initializer:
        if weight.name in scales:
            weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * np.float32(factor), weight.name))
    return model
