"""Matrix products with constant weights become convolutions with the same answers; others stay as they are."""

from collections import Counter

import numpy as np
import onnx.parser
import onnxruntime as ort
import pytest
from onnx import ModelProto, numpy_helper

from inspector.compile.conv1x1 import as_convolutions
from inspector.compile.graph import kinds

WEIGHTS = {
    "w43": np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32),
    "w34": np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32),
    "b3": np.arange(3, dtype=np.float32),
}


def parsed(inputs: str, output: str, body: str) -> ModelProto:
    model = onnx.parser.parse_model(
        f'<ir_version: 9, opset_import: ["" : 17]> g ({inputs}) => ({output} y) {{ {body} }}'
    )
    used = {name for node in model.graph.node for name in node.input}
    for index, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}{index}"
    model.graph.initializer.extend(numpy_helper.from_array(v, n) for n, v in WEIGHTS.items() if n in used)
    return model


@pytest.mark.parametrize(
    ("shape", "body", "kind"),
    [
        ((2, 4), "y = Gemm(x, w43, b3)", "Conv"),
        ((2, 4), "y = Gemm<transB = 1>(x, w34, b3)", "Conv"),
        ((2, 4), "y = Gemm<alpha = 0.5>(x, w43, b3)", "Gemm"),
        ((2, 4), "y = MatMul(x, w43)", "Conv"),
        ((2, 5, 4), "y = MatMul(x, w43)", "Conv"),
        ((2, 4, 5), "y = MatMul(w34, x)", "Conv"),
        ((2, 4, 4), "y = MatMul(x, x)", "MatMul"),
    ],
)
def test_products_become_convolutions(shape: tuple[int, ...], body: str, kind: str) -> None:
    sizes = ",".join(map(str, shape[1:]))
    output = "float[B,3]" if len(shape) == 2 else "float[B,n,m]"
    model = parsed(f"float[B,{sizes}] x", output, body)
    converted = as_convolutions(model, set(kinds(model)))
    counts = Counter(kinds(converted).values())
    assert (counts[kind], sum(counts[other] for other in ("Conv", "MatMul", "Gemm"))) == (1, 1)
    x = np.random.default_rng(2).normal(size=shape).astype(np.float32)
    before, after = (
        ort.InferenceSession(m.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
        for m in (model, converted)
    )
    np.testing.assert_allclose(after, before, atol=3e-6)


def test_only_what_is_named_is_rewritten() -> None:
    model = parsed("float[B,4] x", "float[B,3]", "a = MatMul(x, w43) c = MatMul(a, w34) y = MatMul(c, w43)")
    assert Counter(kinds(as_convolutions(model, {"MatMul1"})).values())["MatMul"] == 2
