"""Work of graphs, worked out by hand."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper
import onnx.parser
import pytest

from inspector.benchmark.counting import CountError, work

Shapes = Mapping[str, tuple[int, ...]]
CONV = "(float[B,3,8,8] x) => (float[B,4,4,4] y) { y = Conv <strides=[2,2], pads=[1,1,1,1]> (x, w) }"
GROUPED = "(float[B,4,4,4] x) => (float[B,4,2,2] y) { y = Conv <group=4> (x, w) }"
TRANSPOSED = "(float[B,2,3,3] x) => (float[B,4,6,6] y) { y = ConvTranspose <strides=[2,2]> (x, w) }"
MATMUL = "(float[B,5,7] x) => (float[B,5,3] y) { y = MatMul (x, w) }"
BOTH = "(float[B,5,7] x, float[B,7,2] z) => (float[B,5,2] y) { y = MatMul (x, z) }"
GEMM = "(float[B,10] x) => (float[B,6] y) { y = Gemm <transB=1> (x, w) }"
TURNED = "(float[B,7] x) => (float[7,3] y) { y = Gemm <transA=1> (x, w) }"
PLAIN = "(float[B,9] x) => (float[B,9] y) { y = Relu (x) }"
CHAIN = """(float[B,3,4] x) => (float[B,2] y) {
  flat = Flatten (x)
  middle = MatMul (flat, w)
  bent = Relu (middle)
  y = MatMul (bent, v)
}"""


def written(folder: Path, text: str, weights: Shapes) -> Path:
    path = folder / "graph.onnx"
    model = onnx.parser.parse_model('<ir_version: 9, opset_import: ["" : 17]>\ng ' + text)
    for name, shape in weights.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.ones(shape, np.float32), name))
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    ("text", "weights", "flops_each", "io_bytes_each"),
    [
        (CONV, {"w": (4, 3, 3, 3)}, 2 * 64 * 27, 4 * (192 + 64)),
        (GROUPED, {"w": (4, 1, 3, 3)}, 2 * 16 * 9, 4 * (64 + 16)),
        (TRANSPOSED, {"w": (2, 4, 2, 2)}, 2 * 18 * 16, 4 * (18 + 144)),
        (MATMUL, {"w": (7, 3)}, 2 * 15 * 7, 4 * (35 + 15)),
        (BOTH, {}, 2 * 10 * 7, 4 * (35 + 14 + 10)),
        (GEMM, {"w": (6, 10)}, 2 * 6 * 10, 4 * (10 + 6)),
        (PLAIN, {}, 0, 4 * 18),
        (CHAIN, {"w": (12, 5), "v": (5, 2)}, 2 * (5 * 12 + 2 * 5), 4 * (12 + 2)),
    ],
    ids=["conv", "grouped", "transposed", "matmul", "both-change", "gemm", "no-products", "chain"],
)
@pytest.mark.parametrize("batch", [1, 16])
def test_products_and_bytes(
    tmp_path: Path, text: str, weights: Shapes, flops_each: int, io_bytes_each: int, batch: int
) -> None:
    counted = work(written(tmp_path, text, weights), batch)
    assert counted.flops == batch * flops_each
    assert counted.num_weights == sum(map(math.prod, weights.values()))
    assert counted.io_bytes == batch * io_bytes_each


def test_a_turned_product_sums_over_the_batch(tmp_path: Path) -> None:
    assert work(written(tmp_path, TURNED, {"w": (6, 3)}), 6).flops == 2 * 7 * 3 * 6


def test_weights_count_by_the_precision(tmp_path: Path) -> None:
    counted = work(written(tmp_path, MATMUL, {"w": (7, 3)}), 2)
    assert [counted.num_bytes(precision) for precision in ("fp32", "fp16", "int8")] == [484, 442, 421]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(float[B,N,7] x) => (float[B,N,3] y) { y = MatMul (x, w) }", "MatMul '': the sizes"),
        ('(float[B,7] x) => (float[B,7] y) { y = Einsum <equation="ij->ij"> (x) }', "Einsum '': its products"),
    ],
)
def test_what_cannot_be_counted_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CountError, match=message):
        work(written(tmp_path, text, {"w": (7, 3)}), 1)
