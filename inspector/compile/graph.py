"""Reads the structure of an ONNX graph: how operators connect and how much its products cost."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import onnx
from onnx import GraphProto, ModelProto, NodeProto

PRODUCTS = frozenset({"Conv", "MatMul", "Gemm"})
"""What nearly all computing is."""


def read_graph(path: Path) -> ModelProto:
    """Every operator has a name: those without get one of their kind and place."""
    model = onnx.load(path)
    for index, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{index}"
    return model


def kinds(model: ModelProto) -> dict[str, str]:
    """Kind of each operator, by its name."""
    return {node.name: node.op_type for node in model.graph.node}


def makers(graph: GraphProto) -> dict[str, NodeProto]:
    """The operator that each value comes from."""
    return {name: node for node in graph.node for name in node.output}


def leading_to(graph: GraphProto, output: str) -> set[str]:
    """Names of the operators that a value comes from."""
    made_by = makers(graph)
    return _ancestors(made_by[output], made_by) | {made_by[output].name}


def front_end(graph: GraphProto) -> set[str]:
    """Operators up to a logarithm that no exponential leads to: log-mel, and not the log of a sum of exponentials."""
    made_by, named = makers(graph), {node.name: node for node in graph.node}
    names: set[str] = set()
    for log in (node for node in graph.node if node.op_type == "Log"):
        above = _ancestors(log, made_by)
        if all(named[name].op_type != "Exp" for name in above):
            names |= above | {log.name}
    return names


def _ancestors(node: NodeProto, made_by: Mapping[str, NodeProto]) -> set[str]:
    names: set[str] = set()
    waiting = [node]
    while waiting:
        for maker in _present(made_by, waiting.pop().input):
            if maker.name not in names:
                names.add(maker.name)
                waiting.append(maker)
    return names


def _present(made_by: Mapping[str, NodeProto], names: Iterable[str]) -> list[NodeProto]:
    return [made_by[name] for name in names if name in made_by]


def multiplications(model: ModelProto) -> dict[str, int]:
    """Of each product, for one piece."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    values = (*graph.input, *graph.value_info, *graph.output)
    sizes = {v.name: [d.dim_value or 1 for d in v.type.tensor_type.shape.dim] for v in values}
    sizes |= {w.name: list(w.dims) for w in graph.initializer}
    return {n.name: _multiplications(n, sizes) for n in graph.node if n.op_type in PRODUCTS}


def _multiplications(node: NodeProto, sizes: Mapping[str, Sequence[int]]) -> int:
    left, right, result = (sizes.get(name, [1]) for name in (*node.input[:2], node.output[0]))
    return num_multiplications(node, left, right, result)


def num_multiplications(node: NodeProto, left: Sequence[int], right: Sequence[int], result: Sequence[int]) -> int:
    """Of one product, from the sizes of its operands and its result."""
    match node.op_type:
        case "Conv":
            return math.prod(result) * math.prod(right[1:])
        case "ConvTranspose":
            return math.prod(left) * math.prod(right[1:])
        case "Gemm":
            turned = next((attribute.i for attribute in node.attribute if attribute.name == "transA"), 0)
            return math.prod(result) * left[0 if turned else -1]
        case _:
            return math.prod(result) * left[-1]


def share_quantised(model: ModelProto) -> float:
    """The share of products with both operands in eight bits."""
    made_by = makers(model.graph)
    products = [node for node in model.graph.node if node.op_type in PRODUCTS]
    input_ops = [[maker.op_type for maker in _present(made_by, node.input[:2])] for node in products]
    return sum(kind == ["DequantizeLinear"] * 2 for kind in input_ops) / max(1, len(products))
