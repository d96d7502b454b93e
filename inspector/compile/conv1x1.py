"""Turns matrix products with constant weights into 1x1 convolutions.

They are the only FP32 products that TensorRT for RTX has for compute capability 7.5; results agree within 3e-6.
"""

from collections.abc import Set

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, helper, numpy_helper


def as_convolutions(model: onnx.ModelProto, names: Set[str]) -> onnx.ModelProto:
    """Rewrites those MatMul and Gemm operators that are named; one of two changing operands stays as it is."""
    model = onnx.shape_inference.infer_shapes(model)
    rewriting = _Rewriting(model)
    nodes: list[NodeProto] = []
    for node in model.graph.node:
        nodes += rewriting.of(node) if node.name in names else [node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    weights = [weight for weight in (*model.graph.initializer, *rewriting.new_weights) if weight.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(weights)
    onnx.checker.check_model(model, full_check=True)
    return model


class _Rewriting:
    def __init__(self, model: onnx.ModelProto) -> None:
        graph = model.graph
        self.weights = {w.name: numpy_helper.to_array(w) for w in graph.initializer}
        values = (*graph.input, *graph.value_info, *graph.output)
        self.ranks = {v.name: len(v.type.tensor_type.shape.dim) for v in values}
        self.new_weights: list[onnx.TensorProto] = []

    def of(self, node: NodeProto) -> list[NodeProto]:
        if node.op_type not in ("MatMul", "Gemm"):
            return [node]
        left, right = node.input[:2]
        if node.op_type == "Gemm" and right in self.weights and _plain(node):
            weight = self.weights[right] if _flag(node, "transB") else self.weights[right].T
            return self._rows(node, left, weight)
        if node.op_type == "MatMul" and right in self.weights and self.weights[right].ndim == 2:
            weight = self.weights[right].T
            return self._rows(node, left, weight) if self.ranks[left] == 2 else self._tokens(node, left, weight)
        if node.op_type == "MatMul" and left in self.weights and self.ranks[right] == 3:
            return self._columns(node, right, self.weights[left])
        return [node]

    def _rows(self, node: NodeProto, rows: str, weight: NDArray[np.float32]) -> list[NodeProto]:
        """(B, K) to (B, N)."""
        return self._convolved(node, rows, node.output[0], weight, (2, 3))

    def _columns(self, node: NodeProto, columns: str, weight: NDArray[np.float32]) -> list[NodeProto]:
        """(B, K, M) to (B, N, M)."""
        return self._convolved(node, columns, node.output[0], weight, (3,))

    def _tokens(self, node: NodeProto, tokens: str, weight: NDArray[np.float32]) -> list[NodeProto]:
        """(B, M, K) to (B, M, N)."""
        before, after = f"{node.name}_turned", f"{node.name}_conv"
        return [
            helper.make_node("Transpose", [tokens], [before], f"{before}_", perm=(0, 2, 1)),
            *self._convolved(node, before, after, weight, (3,)),
            helper.make_node("Transpose", [after], [node.output[0]], f"{after}_turned", perm=(0, 2, 1)),
        ]

    def _convolved(
        self, node: NodeProto, data: str, output: str, weight: NDArray[np.float32], axes: tuple[int, ...]
    ) -> list[NodeProto]:
        kernel, where = f"{node.name}_kernel", f"{node.name}_axes"
        self.new_weights += [
            numpy_helper.from_array(np.ascontiguousarray(weight)[:, :, None, None], kernel),
            numpy_helper.from_array(np.array(axes, np.int64), where),
        ]
        wide, result = f"{node.name}_wide", f"{node.name}_result"
        return [
            helper.make_node("Unsqueeze", [data, where], [wide], f"{wide}_"),
            helper.make_node("Conv", [wide, kernel, *node.input[2:]], [result], node.name),
            helper.make_node("Squeeze", [result, where], [output], f"{result}_"),
        ]


def _flag(node: NodeProto, name: str) -> int:
    return next((a.i for a in node.attribute if a.name == name), 0)


def _plain(node: NodeProto) -> bool:
    scales = [a.f for a in node.attribute if a.name in ("alpha", "beta")]
    return not _flag(node, "transA") and all(scale == 1.0 for scale in scales)
