"""Turns an FP32 graph into one that computes in FP16 where that loses nothing; inputs and outputs stay FP32.

What stays FP32 does so in whole regions: a cast stands only where a region ends, never between two of its operators.
(onnxruntime's converter casts at every operator, 21 times in a ResNet-18 where 7 do, and wrote invalid graphs of two
out of nine: an initializer that two of them shared was cast twice under one name.)
"""

from collections.abc import Set

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from inspector.compile.graph import PRODUCTS, front_end, makers

KEPT = frozenset(
    {
        *("LayerNormalization", "BatchNormalization", "InstanceNormalization", "Softmax", "LogSoftmax", "Sigmoid"),
        *("Exp", "Log", "Div", "Sqrt", "Pow", "Reciprocal", "Clip", "TopK"),
        *("ReduceMean", "ReduceSum", "ReduceMax", "ReduceL2", "ReduceSumSquare"),
    }
)
"""Normalisation, and whatever sums or stretches: half precision overflows above 65,504 and is blind below 6e-8."""
HALF_MAX = 65504.0
_NOT_DATA = {"Resize": {1, 2}}
"""Inputs that must be FP32 whatever the operator computes in."""


def to_half(model: ModelProto, kept: Set[str]) -> ModelProto:
    """`kept` names the operators that stay FP32, as `staying_full` has them."""
    return _Halving(model, kept).converted()


def staying_full(model: ModelProto, also: Set[str] = frozenset()) -> set[str]:
    """Names of the operators of KEPT, of a front end, with weights that do not fit; `also`; small operators between."""
    graph = model.graph
    large = {w.name for w in graph.initializer if w.data_type == TensorProto.FLOAT and _too_large(w)}
    kept = {n.name for n in graph.node if n.op_type in KEPT or n.name in also or large & set(n.input)}
    return _with_between(graph, kept | front_end(graph))


def _too_large(weight: TensorProto) -> bool:
    return bool(np.abs(numpy_helper.to_array(weight)).max(initial=0) > HALF_MAX)


def _with_between(graph: GraphProto, kept: set[str]) -> set[str]:
    made_by = makers(graph)
    takers: dict[str, list[str]] = {}
    for node in graph.node:
        for name in node.input:
            takers.setdefault(name, []).append(node.name)

    def lies_between(node: NodeProto) -> bool:
        from_kept = any(name in made_by and made_by[name].name in kept for name in node.input)
        return from_kept and all(taker in kept for name in node.output for taker in takers.get(name, ()))

    while True:
        open_nodes = (n for n in graph.node if n.name not in kept and n.op_type not in PRODUCTS)
        more = {node.name for node in open_nodes if lies_between(node)}
        if not more:
            return kept
        kept |= more


class _Halving:
    def __init__(self, model: ModelProto, kept: Set[str]) -> None:
        self.model, self.kept = onnx.shape_inference.infer_shapes(model), kept
        self.graph = self.model.graph
        values = (*self.graph.input, *self.graph.value_info, *self.graph.output)
        self.floats = {v.name for v in values if v.type.tensor_type.elem_type == TensorProto.FLOAT}
        self.weights = {w.name: w for w in self.graph.initializer if w.data_type == TensorProto.FLOAT}
        self.is_half: set[str] = set()
        self.nodes: list[NodeProto] = []
        self.done: dict[tuple[str, bool], str] = {}
        """The name of a value in FP16 (True) or FP32, once it has been cast."""
        self.new_weights: list[TensorProto] = []

    def converted(self) -> ModelProto:
        outputs = {value.name for value in self.graph.output}
        for node in self.graph.node:
            half = node.name not in self.kept and any(name in self.floats for name in node.output)
            if node.op_type != "Shape":
                self._wire(node, half)
            self.nodes.append(node)
            if half:
                self._leave(node, outputs)
        return self._written()

    def _wire(self, node: NodeProto, half: bool) -> None:
        for index, name in enumerate(node.input):
            want = half and index not in _NOT_DATA.get(node.op_type, ())
            if name in self.weights and want:
                node.input[index] = self._half_weight(name)
            elif name in self.floats and (name in self.is_half) != want:
                node.input[index] = self._cast(name, want)

    def _half_weight(self, name: str) -> str:
        if (name, True) not in self.done:
            values = numpy_helper.to_array(self.weights[name])
            self.done[name, True] = f"{name}_half"
            self.new_weights.append(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        return self.done[name, True]

    def _cast(self, name: str, half: bool) -> str:
        if (name, half) not in self.done:
            target, kind = (f"{name}_half", TensorProto.FLOAT16) if half else (f"{name}_full", TensorProto.FLOAT)
            self.nodes.append(helper.make_node("Cast", [name], [target], f"cast_{target}", to=kind))
            self.done[name, half] = target
        return self.done[name, half]

    def _leave(self, node: NodeProto, outputs: Set[str]) -> None:
        for index, name in enumerate(node.output):
            if name in outputs:
                inner = node.output[index] = f"{name}_half"
                self.nodes.append(helper.make_node("Cast", [inner], [name], f"cast_{name}", to=TensorProto.FLOAT))
                self.done[name, True] = inner
            elif name in self.floats:
                self.is_half.add(name)

    def _written(self) -> ModelProto:
        used = {name for node in self.nodes for name in node.input}
        kept = [w for w in (*self.graph.initializer, *self.new_weights) if w.name in used]
        graph = helper.make_graph(self.nodes, self.graph.name, self.graph.input, self.graph.output, kept)
        model = helper.make_model(graph, opset_imports=self.model.opset_import, ir_version=self.model.ir_version)
        onnx.checker.check_model(model, full_check=True)
        return model
