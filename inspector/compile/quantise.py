"""Turns an FP32 graph into one with explicit Q/DQ from calibration inputs, in the dialect of one runtime.

Only operators between the first heavy product and the last are quantised: the input's scaling, log-mel and the
readout cost next to nothing, and it is there that eight bits move decisions. (All operators: 3.3 x the speed of FP32 in
OpenVINO for a ResNet-18, against 3.4 x.)
"""

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Literal

import onnx
from onnx import GraphProto, ModelProto, NodeProto
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

from inspector.compile.graph import PRODUCTS, front_end, makers, multiplications
from inspector.engines.cpu_name import adds_in_16_bits
from inspector.engines.engine import Array

Feed = Mapping[str, Array]
Dialect = Literal["onnx", "openvino", "tensorrt"]

BETWEEN = frozenset({"Relu", "Clip", "Add", "MaxPool", "GlobalAveragePool"})
"""On CPUs these stay in eight bits too; with products alone ONNX Runtime gave 2.8 x where it gives 3.1 x."""
HEAVY = 0.01
"""Share of the graph's multiplications from which a product is heavy."""


def quantise(
    model: ModelProto, feeds: Iterable[Feed], dialect: Dialect, left_out: Set[str] = frozenset()
) -> ModelProto:
    """`left_out` names further operators that stay in float.

    CPUs want unsigned activations; TensorRT parses none but signed ones without a zero point, and a bias in float.
    Where this CPU adds in 16 bits, weights get seven bits (decision 165).
    """
    signed = dialect == "tensorrt"
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder, "before.onnx"), Path(folder, "after.onnx")
        onnx.save(_prepared(model), before)
        quantize_static(
            before,
            after,
            _Inputs(feeds),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QInt8 if signed else QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=not signed and adds_in_16_bits(),
            op_types_to_quantize=sorted(PRODUCTS if signed else PRODUCTS | BETWEEN),
            nodes_to_exclude=sorted(left_out | never(model)),
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={"ActivationSymmetric": signed, "WeightSymmetric": True, "QuantizeBias": False},
        )
        quantised = onnx.load(after)
        quantised.ClearField("metadata_props")
        if dialect == "openvino":
            _add_in_float(quantised.graph)
        return quantised


def _add_in_float(graph: GraphProto) -> None:
    """A residual block's convolution hands on its sums as they are: OpenVINO adds eight-bit values to them before
    it rounds (2 to 3 % faster for a ResNet-18, and one rounding less). ONNX Runtime adds in eight bits or slowly."""
    made_by, users = makers(graph), Counter(name for node in graph.node for name in node.input)
    for add in [node for node in graph.node if node.op_type == "Add"]:
        for index, name in enumerate(add.input):
            chain = _chain(made_by, name, ("DequantizeLinear", "QuantizeLinear", "Conv"))
            if chain and all(users[node.output[0]] == 1 for node in chain):
                for node in chain[:2]:
                    graph.node.remove(node)
                add.input[index] = chain[2].output[0]
                break


def _chain(made_by: Mapping[str, NodeProto], name: str, kinds: Sequence[str]) -> list[NodeProto]:
    """The operators of these kinds that a value comes from, one through the other; none where it does not."""
    nodes: list[NodeProto] = []
    for kind in kinds:
        node = made_by.get(nodes[-1].input[0] if nodes else name)
        if node is None or node.op_type != kind:
            return []
        nodes.append(node)
    return nodes


def _prepared(model: ModelProto) -> ModelProto:
    """The exporter has folded normalisation into convolutions: with shapes, nothing is left of the quantiser's own
    preparation, whose mark says so."""
    prepared = onnx.shape_inference.infer_shapes(model)
    onnx.helper.set_model_props(prepared, {"onnx.quant.pre_process": "onnxruntime.quant"})
    return prepared


class _Inputs(CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime's quantiser has no types
    """One piece at a time."""

    def __init__(self, feeds: Iterable[Feed]) -> None:
        self._feeds: Iterator[Feed] = iter(feeds)

    def get_next(self) -> Feed | None:
        return next(self._feeds, None)


def quantisable(model: ModelProto) -> list[str]:
    """Names of the products that are quantised unless they are left out, in the graph's order."""
    full = never(model)
    return [node.name for node in model.graph.node if node.op_type in PRODUCTS and node.name not in full]


def never(model: ModelProto) -> set[str]:
    """Names of the operators that stay in float in every INT8 graph."""
    return outer(model) | unfit(model)


def unfit(model: ModelProto) -> set[str]:
    """Names of the products by constants that are no matrix on the right: ONNX Runtime quantises them by channel, and
    then does not run them."""
    ranks = {weight.name: len(weight.dims) for weight in model.graph.initializer}
    products = (node for node in model.graph.node if node.op_type == "MatMul")
    return {node.name for node in products if node.input[0] in ranks or ranks.get(node.input[1], 2) != 2}


def outer(model: ModelProto) -> set[str]:
    """Names of the operators before the first heavy product, of a front end, and after the last heavy product."""
    costs, nodes = multiplications(model), list(model.graph.node)
    enough = HEAVY * sum(costs.values())
    heavy = [index for index, node in enumerate(nodes) if node.name in costs and costs[node.name] >= enough]
    if not heavy:
        return {node.name for node in nodes}
    end = heavy[-1] + 1
    while end < len(nodes) and nodes[end].op_type in BETWEEN:
        end += 1
    return {node.name for node in (*nodes[: heavy[0]], *nodes[end:])} | front_end(model.graph)
