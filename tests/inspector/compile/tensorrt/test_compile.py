"""Graphs for TensorRT have passed the gate; a failure names graph and operator; the bundle stays as it was."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, numpy_helper

from inspector.bundle.schema import Precision
from inspector.compile import int8_selection
from inspector.compile.fp16 import to_half
from inspector.compile.job import CompiledVariant, CompileError, RefusedError, Say, Wish
from inspector.compile.tensorrt import compile as compile_module
from inspector.compile.tensorrt.build import RTX_TARGETS, find_compiler
from inspector.compile.tensorrt.compile import compile_for_gpu
from inspector.engines.tensorrt.engine_file import header_fault
from tests.inspector.compile.jobs import NUM_PIECES, demo_job, quantised_once, spoiled
from tests.standins.builder import classic_box


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8_selection, "quantise", quantised_once)


def test_all_graphs_are_built_from_what_passed(tmp_path: Path) -> None:
    form = compile_for_gpu(demo_job(tmp_path / "scratch", Wish("tensorrt", "int8", max_batch=6)))
    assert [(artifact.part, artifact.precision) for artifact in form.graphs] == [
        ("top-scout", "int8"), ("top-full", "int8"), ("mic-scout", "int8"), ("head", "fp32")
    ]  # fmt: skip
    assert (form.targets, form.batches) == (RTX_TARGETS, (1, 2, 4, 6))
    assert form.report.engine == "tensorrt/int8 (its graphs, in ONNX Runtime)"
    assert form.report.num_pieces == NUM_PIECES
    for artifact in form.graphs:
        assert artifact.path is not None
        assert header_fault(artifact.path.read_bytes(), form.compiler) is None


def test_spoiled_scales_are_refused_before_anything_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8_selection, "quantise", lambda *arguments: spoiled(quantised_once(*arguments)))
    job = demo_job(tmp_path / "scratch", Wish("tensorrt", "int8"))
    with pytest.raises(RefusedError, match=rf"top-scout decides otherwise: \d+ of {NUM_PIECES} decisions flip.*: s1-"):
        compile_for_gpu(job)
    assert list(job.scratch.glob("*.engine")) == []


def test_the_very_graphs_that_are_handed_over_pass_the_gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What conversion to FP16 spoils is refused as well."""
    halve = to_half

    def too_small(model: ModelProto, kept: set[str]) -> ModelProto:
        halved = halve(model, kept)
        for weight in halved.graph.initializer:
            if weight.data_type == TensorProto.FLOAT16:
                weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * np.float16(0.5), weight.name))
        return halved

    monkeypatch.setattr(compile_module, "to_half", too_small)
    with pytest.raises(RefusedError, match=rf"REFUSED: \d+ of {NUM_PIECES} decisions flip \(allowed: 1\)[^$]*\n  s1-"):
        compile_for_gpu(demo_job(tmp_path / "scratch", Wish("tensorrt", "fp16")))
    assert list((tmp_path / "scratch").glob("*.engine")) == []


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("targets", [("7.5",), ("8.6", "7.5")])
def test_for_turing_all_but_fp16_is_refused_before_anything_is_made(
    tmp_path: Path, precision: Precision, targets: tuple[str, ...]
) -> None:
    """With the first operator that would stay FP32; experts of the demo alone could be built so."""
    job = demo_job(tmp_path / "scratch", Wish("tensorrt", precision, targets))
    with pytest.raises(
        CompileError, match=rf"^top-scout: tensorrt/{precision} leaves operator '\w+' \((MatMul|Gemm)\)"
    ):
        compile_for_gpu(job)
    assert list(job.scratch.iterdir()) == []


def test_a_gpu_of_turing_itself_builds_what_tensorrt_for_rtx_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The distribution that builds on the GPU has these products; it reports unsupported ones itself."""
    there = replace(find_compiler(("7.5",)), distribution="tensorrt")
    monkeypatch.setattr(compile_module, "find_compiler", lambda targets: there)
    monkeypatch.setattr(compile_module, "build", lambda *arguments: b"an engine")
    form = compile_for_gpu(demo_job(tmp_path / "scratch", Wish("tensorrt", "fp32")))
    assert {artifact.precision for artifact in form.graphs} == {"fp32"}


def on_a_classic_box(scratch: Path, cache: Path, say: Say) -> CompiledVariant:
    return compile_for_gpu(replace(demo_job(scratch, Wish("tensorrt", "fp32", max_batch=2, cache=cache)), say=say))


def test_what_tensorrt_built_once_is_taken_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of four engines one is damaged meanwhile, and it alone is built again; with another driver, all are."""
    trt = classic_box(monkeypatch)
    progress = dict[str, str]()
    first = on_a_classic_box(tmp_path / "first", tmp_path / "cache", progress.__setitem__)
    assert (len(trt.profiles), progress["head"][:8]) == (4, "built in")
    engines = [artifact.path.read_bytes() for artifact in first.graphs if artifact.path]
    damaged = min((tmp_path / "cache").iterdir())
    damaged.write_bytes(damaged.read_bytes()[:-1])
    again = on_a_classic_box(tmp_path / "again", tmp_path / "cache", progress.__setitem__)
    assert [artifact.path.read_bytes() for artifact in again.graphs if artifact.path] == engines
    origins = [progress[artifact.part].partition(" in ")[0] for artifact in again.graphs]
    assert (len(trt.profiles), sorted(origins)) == (5, ["built", *["taken from the cache"] * 3])
    trt.cuda.faults.driver_version = 13010
    on_a_classic_box(tmp_path / "driver", tmp_path / "cache", progress.__setitem__)
    assert len(trt.profiles) == 9


def test_a_cache_that_cannot_be_had_costs_time_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    trt = classic_box(monkeypatch)
    (tmp_path / "file").write_text("no folder")
    form = on_a_classic_box(tmp_path / "scratch", tmp_path / "file/cache", lambda part, doing: None)
    assert len(form.graphs) == len(trt.profiles) == 4
    (warning,) = caplog.messages
    assert "cannot be used (Not a directory): all engines are built again" in warning
