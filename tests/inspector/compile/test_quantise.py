"""INT8 graphs take their middle in eight bits, in the form that their runtime wants."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx.parser
import pytest
from onnx import ModelProto, TensorProto, numpy_helper

from inspector.bundle.load import load
from inspector.bundle.schema import input_shape
from inspector.compile.float_layers import FLOAT_LAYER_RULES
from inspector.compile.graph import PRODUCTS, front_end, makers, multiplications, read_graph, share_quantised
from inspector.compile.quantise import Dialect, Feed, outer, quantisable, quantise, unfit
from inspector.engines.engine import EngineSettings
from inspector.engines.factory import open_engine
from tests.inspector.compile.jobs import DEMO


def expert_graph(name: str) -> tuple[ModelProto, Sequence[Feed]]:
    """With two inputs."""
    bundle = load(DEMO)
    expert = next(expert for expert in bundle.schema.experts if expert.name == name)
    rng = np.random.default_rng(0)
    feeds = [{"input": rng.normal(size=(1, *input_shape(expert.input))).astype(np.float32)} for _ in range(2)]
    return read_graph(bundle.path(expert.file)), feeds


def zero_points(model: ModelProto) -> list[TensorProto]:
    """Of activations."""
    names = {node.input[2] for node in model.graph.node if node.op_type == "QuantizeLinear"}
    return [weight for weight in model.graph.initializer if weight.name in names]


@pytest.mark.parametrize(("dialect", "kind"), [("onnx", TensorProto.UINT8), ("tensorrt", TensorProto.INT8)])
def test_each_runtime_gets_the_activations_that_it_wants(dialect: Dialect, kind: int) -> None:
    model, feeds = expert_graph("top-scout")
    quantised = quantise(model, feeds, dialect)
    assert {point.data_type for point in zero_points(quantised)} == {kind}
    if dialect == "tensorrt":
        assert not any(numpy_helper.to_array(point).any() for point in zero_points(quantised))
    assert {w.data_type for w in quantised.graph.initializer if w.name.endswith(".bias")} <= {TensorProto.FLOAT}


def test_what_is_left_out_stays_in_float() -> None:
    model, feeds = expert_graph("top-scout")
    products = quantisable(model)
    assert share_quantised(model) == 0
    shares = [share_quantised(quantise(model, feeds, "onnx", rule.of(products))) for rule in FLOAT_LAYER_RULES]
    num = sum(node.op_type in PRODUCTS for node in model.graph.node)
    assert [round(share * num) for share in shares] == [len(products) - left for left in (0, 1, 1, 2)]


def test_scaling_log_mel_and_readout_are_never_quantised() -> None:
    model, _ = expert_graph("mic-scout")
    assert front_end(model.graph) < outer(model)
    costs = multiplications(model)
    never = sum(costs[name] for name in outer(model) - front_end(model.graph) if name in costs)
    assert never < 0.1 * sum(costs.values())
    assert {node.name for node in model.graph.node if set(node.output) & {"logits", "tokens"}} <= outer(model)


def test_constants_that_are_no_matrix_on_the_right_stay_in_float() -> None:
    """ONNX Runtime 1.31 quantises a (3, 4, 4) constant by channel, and then does not run it."""
    model = onnx.parser.parse_model(
        '<ir_version: 9, opset_import: ["" : 17]> g (float[B,3,4,4] x) => (float[B,3,4,4] y)'
        "<float[3,4,4] cube = {" + ",".join(["1"] * 48) + "}, float[4,4] plane = {" + ",".join(["1"] * 16) + "}>"
        "{ a = MatMul(x, cube) b = MatMul(cube, a) c = MatMul(plane, b) d = MatMul(c, plane) y = MatMul(d, x) }"
    )
    for index, node in enumerate(model.graph.node):
        node.name = f"m{index}"
    assert unfit(model) == {"m0", "m1", "m2"}
    assert quantisable(model) == ["m3", "m4"]


def residual_block() -> tuple[ModelProto, Sequence[Feed]]:
    rng = np.random.default_rng(0)
    model = onnx.parser.parse_model(
        '<ir_version: 9, opset_import: ["" : 17]> block (float[B,4,8,8] x) => (float[B,4,8,8] y)'
        "{ a = Conv<pads=[1,1,1,1]>(x, first) b = Relu(a) c = Conv<pads=[1,1,1,1]>(b, second) d = Add(c, b)"
        " y = Relu(d) }"
    )
    for node in model.graph.node:
        node.name = node.output[0]
    for name in ("first", "second"):
        model.graph.initializer.append(numpy_helper.from_array(rng.normal(size=(4, 4, 3, 3)).astype(np.float32), name))
    return model, [{"x": rng.normal(size=(1, 4, 8, 8)).astype(np.float32)} for _ in range(4)]


@pytest.mark.parametrize(
    ("dialect", "kinds"),
    [("onnx", ["DequantizeLinear", "DequantizeLinear"]), ("openvino", ["Conv", "DequantizeLinear"])],
)
def test_openvino_adds_to_sums_that_are_not_rounded(dialect: Dialect, kinds: list[str], tmp_path: Path) -> None:
    model, feeds = residual_block()
    quantised = quantise(model, feeds, dialect)
    made_by = makers(quantised.graph)
    (add,) = (node for node in quantised.graph.node if node.op_type == "Add")
    assert [made_by[name].op_type for name in add.input] == kinds
    onnx.save(model, tmp_path / "fp32.onnx")
    onnx.save(quantised, tmp_path / "int8.onnx")
    before, after = (open_engine(tmp_path / f"{name}.onnx", EngineSettings("openvino")).run(feeds[0])["y"]
                     for name in ("fp32", "int8"))  # fmt: skip
    assert np.abs(after - before).max() < 0.04 * np.abs(before).max()
