"""FP16 graphs keep in FP32 the operators that would overflow or lose precision; outputs stay close."""

import numpy as np
import onnx.parser
import onnxruntime as ort
import pytest
from onnx import ModelProto, TensorProto

from inspector.bundle.load import load
from inspector.bundle.schema import input_shape
from inspector.compile.fp16 import staying_full, to_half
from inspector.compile.graph import front_end, leading_to, read_graph
from tests.inspector.compile.jobs import DEMO


def parsed(body: str) -> ModelProto:
    model = onnx.parser.parse_model(
        f'<ir_version: 9, opset_import: ["" : 17]> g (float[B,4] x) => (float[B,4] y) {{ {body} }}'
    )
    for index, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}{index}"
    return model


def answers(model: ModelProto, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    options = ort.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    return ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"]).run(None, inputs)


@pytest.mark.parametrize(
    ("body", "full"),
    [
        ("a = Relu(x) y = Tanh(a)", set()),
        ("y = Softmax(x)", {"Softmax0"}),
        ("a = Softmax(x) b = Relu(a) y = Exp(b)", {"Softmax0", "Relu1", "Exp2"}),
        ("a = Softmax(x) y = Relu(a)", {"Softmax0", "Relu1"}),
        ("a = Softmax(x) b = MatMul(a, w) y = Relu(b)", {"Softmax0"}),
        ("a = Mul(x, large) y = Relu(a)", {"Mul0", "Relu1"}),
        ("a = Abs(x) b = Log(a) y = Tanh(b)", {"Abs0", "Log1", "Tanh2"}),
        ("a = Exp(x) b = Abs(a) c = Log(b) y = MatMul(c, w)", {"Exp0", "Abs1", "Log2"}),
    ],
)
def test_what_stays_full(body: str, full: set[str]) -> None:
    model = parsed(body)
    weights = {"w": np.eye(4, dtype=np.float32), "large": np.full(4, 1e6, np.float32)}
    used = {name for node in model.graph.node for name in node.input}
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(value, name) for name, value in weights.items() if name in used
    )
    assert staying_full(model) == full
    half = to_half(model, staying_full(model))
    x = np.array([[0.5, 1.0, 2.0, 3.0]], np.float32)
    np.testing.assert_allclose(answers(half, {"x": x})[0], answers(model, {"x": x})[0], rtol=3e-3)


def test_a_region_is_cast_at_its_edge_alone() -> None:
    model = parsed("a = Tanh(x) b = Softmax(a) c = Exp(b) d = Tanh(a) y = Add(c, d)")
    casts = [node.input[0] for node in to_half(model, staying_full(model)).graph.node if node.op_type == "Cast"]
    assert sorted(casts) == ["a", "d", "x"]


def test_the_front_end_is_what_a_logarithm_hears_unless_it_is_of_exponentials() -> None:
    names = front_end(read_graph(DEMO / "mic-scout.onnx").graph)
    assert names
    assert front_end(read_graph(DEMO / "head.onnx").graph) == set()


@pytest.mark.parametrize("name", ["top-scout", "top-full", "mic-scout"])
def test_experts_say_nearly_what_they_said(name: str) -> None:
    bundle = load(DEMO)
    expert = next(expert for expert in bundle.schema.experts if expert.name == name)
    model = read_graph(bundle.path(expert.file))
    half = to_half(model, staying_full(model))
    values = np.random.default_rng(0).normal(scale=0.5, size=(2, *input_shape(expert.input))).astype(np.float32)
    for before, after in zip(answers(model, {"input": values}), answers(half, {"input": values}), strict=True):
        assert after.dtype == np.float32
        assert np.abs(after - before).max() < 0.03


def test_the_gate_of_a_head_stays_full() -> None:
    model = read_graph(DEMO / "head.onnx")
    gate = leading_to(model.graph, "gate")
    half = onnx.shape_inference.infer_shapes(to_half(model, staying_full(model, gate)))
    types = {value.name: value.type.tensor_type.elem_type for value in (*half.graph.value_info, *half.graph.output)}
    assert {types[name] for node in half.graph.node if node.name in gate for name in node.output} == {TensorProto.FLOAT}
