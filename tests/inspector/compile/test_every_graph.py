"""Every graph of the demo, of a ResNet-18 and of a ViT-S/16 is compiled by TensorRT for RTX, without a GPU.

The library is part of the development environment: nothing here is skipped where it is missing.
"""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto

from inspector.bundle.load import LoadedBundle, load
from inspector.bundle.schema import Precision, input_shape
from inspector.compile.graph import kinds, read_graph, share_quantised
from inspector.compile.job import CompileError, Job, Wish
from inspector.compile.quantise import quantise
from inspector.compile.tensorrt.build import RTX_TARGETS, BuildError, build, find_compiler
from inspector.compile.tensorrt.compile import compile_for_gpu, for_tensorrt
from inspector.engines.tensorrt.engine_file import header_fault
from inspector.engines.variants import parts
from inspector.parity.archive import set_of
from tests.inspector.compile.jobs import DEMO

pytestmark = [pytest.mark.train, pytest.mark.timeout(900)]

BATCHES = (1, 2, 4, 8, 16)


def compiled(model: ModelProto, precision: Precision, targets: tuple[str, ...], part: str) -> tuple[ModelProto, bytes]:
    """The graph that TensorRT was handed, and its engine."""
    graph = for_tensorrt(model, precision, targets, is_head=part == "head")
    return graph, build(graph.SerializeToString(), kinds(graph), BATCHES, find_compiler(targets))


def demand_whole(engine: bytes, *targets: str) -> None:
    assert header_fault(engine, find_compiler(()).name) is None
    for target in targets:
        assert f"sm{target.replace('.', '')}".encode() in engine


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_every_graph_compiles_for_ampere_ada_and_blackwell(any_bundle: LoadedBundle, precision: Precision) -> None:
    assert RTX_TARGETS == ("8.0", "8.6", "8.9", "12.0")
    for part, file in parts(any_bundle.schema):
        _, engine = compiled(read_graph(any_bundle.path(file)), precision, RTX_TARGETS, part)
        demand_whole(engine, *RTX_TARGETS)


def test_every_expert_compiles_in_int8_and_says_how_much_of_it_is(any_bundle: LoadedBundle) -> None:
    rng = np.random.default_rng(0)
    for expert in any_bundle.schema.experts:
        feed = {"input": rng.normal(size=(1, *input_shape(expert.input))).astype(np.float32)}
        model = quantise(read_graph(any_bundle.path(expert.file)), [feed], "tensorrt")
        assert 0.3 < share_quantised(model) < 1
        _, engine = compiled(model, "int8", RTX_TARGETS, expert.name)
        demand_whole(engine, *RTX_TARGETS)


def test_for_turing_every_graph_compiles_in_fp16_with_all_of_its_matrix_products(any_bundle: LoadedBundle) -> None:
    for part, file in parts(any_bundle.schema):
        graph, engine = compiled(read_graph(any_bundle.path(file)), "fp16", ("7.5",), part)
        demand_whole(engine, "7.5")
        assert product_types(graph) <= {TensorProto.FLOAT16}


def product_types(model: ModelProto) -> set[int]:
    """What matrix products compute in."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    values = (*graph.input, *graph.value_info, *graph.output)
    types = {v.name: v.type.tensor_type.elem_type for v in values} | {w.name: w.data_type for w in graph.initializer}
    return {types[name] for node in graph.node if node.op_type in ("MatMul", "Gemm") for name in node.input[:2]}


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_for_turing_a_whole_bundle_is_refused_in_all_else(
    any_bundle: LoadedBundle, precision: Precision, tmp_path: Path
) -> None:
    job = Job(any_bundle, Wish("tensorrt", precision, ("7.5",)), tmp_path, set_of(load(DEMO)), (), lambda *words: None)
    with pytest.raises(CompileError, match=rf"tensorrt/{precision} leaves operator '\w+' \((MatMul|Gemm)\) in FP32"):
        compile_for_gpu(job)
    assert list(tmp_path.iterdir()) == []


def test_tensorrt_for_rtx_has_no_fp32_matrix_product_for_turing(any_bundle: LoadedBundle) -> None:
    """The day that it has, this fails, and more than FP16 can be let through."""
    head = read_graph(any_bundle.path(any_bundle.schema.head.file))
    with pytest.raises(BuildError, match=r"operator 'node_\w+' \(\w+\): .*FP32 GEMM is not supported"):
        compiled(head, "fp32", ("7.5",), "head")
