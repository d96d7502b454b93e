"""Counts the least work of a graph: multiplications and additions of its products, bytes read and written.

Element-wise work is left out, and results between two operators are assumed to stay in the cache, so
that both figures are lower bounds.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx
import onnx.shape_inference

from inspector.benchmark.peak import Work
from inspector.compile.graph import PRODUCTS, num_multiplications

_FLOAT_BYTES = 4
"""Inputs and outputs are float32 in every form."""
_COUNTED = PRODUCTS | {"ConvTranspose"}
_UNCOUNTED = {"Attention", "DFT", "Einsum", "GRU", "If", "LSTM", "Loop", "RNN", "Scan"}
"""Hold products too: a graph with one of them would seem to do less than it does."""


class CountError(ValueError):
    """A graph whose work cannot be counted; the message names the operator."""


def work(path: Path, batch: int) -> Work:
    """Of an exported graph. Raises CountError."""
    model = onnx.load(path)
    for port in model.graph.input:
        port.type.tensor_type.shape.dim[0].dim_value = batch
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    weights = {weight.name: tuple(weight.dims) for weight in graph.initializer}
    values = {value.name: _shape(value) for value in (*graph.input, *graph.output, *graph.value_info)}
    shapes = values | weights
    for node in graph.node:
        if node.op_type in _UNCOUNTED:
            raise CountError(f"{node.op_type} {node.name!r}: its products are not counted")
    flops = sum(_flops(node, shapes) for node in graph.node if node.op_type in _COUNTED)
    ports = [shapes[port.name] for port in (*graph.input, *graph.output) if port.name not in weights]
    return Work(flops, sum(map(math.prod, weights.values())), sum(map(math.prod, ports)) * _FLOAT_BYTES)


def _shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    """0 stands for a size that is not known."""
    return tuple(size.dim_value for size in value.type.tensor_type.shape.dim)


def _flops(node: onnx.NodeProto, shapes: Mapping[str, Sequence[int]]) -> int:
    names = (*node.input[:2], node.output[0])
    left, right, result = (shapes.get(name, (0,)) for name in names)
    if 0 in (*left, *right, *result):
        raise CountError(f"{node.op_type} {node.name!r}: the sizes {left}, {right}, {result} are not all known")
    return 2 * num_multiplications(node, left, right, result)
