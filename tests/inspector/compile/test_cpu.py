"""An expert is kept in INT8 only where it is faster so and the line decides as before."""

import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import replace
from pathlib import Path
from typing import Literal

import onnxruntime as ort
import pytest
from onnx import ModelProto

from inspector.bundle.load import load
from inspector.compile import cpu as cpu_module
from inspector.compile import int8_selection
from inspector.compile.cpu import compile_for_cpu
from inspector.compile.job import RefusedError, Wish
from inspector.compile.quantise import Dialect, Feed
from inspector.engines.engine import Engine, EngineSettings
from inspector.engines.factory import open_engine
from inspector.engines.timing import Pace, Run, Timing
from tests.certificates import claimless
from tests.inspector.compile.jobs import DEMO, NUM_PIECES, demo_job, quantised_once, spoiled


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8_selection, "quantise", quantised_once)


@pytest.fixture
def speeds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Milliseconds that INT8 takes in one trial after another, the last for all further ones; FP32 takes 3."""
    ratios = [1.0]

    def measured(runs: Mapping[str, Run], pace: Pace) -> dict[str, Timing]:
        times = {name: 3.0 if name == "fp32" else ratios.pop(0) if len(ratios) > 1 else ratios[0] for name in runs}
        return {name: Timing([ms], [ms]) for name, ms in times.items()}

    monkeypatch.setattr(cpu_module, "interleaved", measured)
    return ratios


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_what_is_faster_and_decides_as_before_is_kept(
    tmp_path: Path, speeds: list[float], engine: Literal["onnx", "openvino"]
) -> None:
    form = compile_for_cpu(demo_job(tmp_path / "scratch", Wish(engine, "int8")))
    assert [(artifact.part, artifact.precision) for artifact in form.graphs] == [
        ("top-scout", "int8"), ("top-full", "int8"), ("mic-scout", "int8"), ("head", "fp32")
    ]  # fmt: skip
    assert form.compiler == f"onnxruntime {ort.__version__}"
    assert form.report.engine == f"{engine}/int8"
    assert (form.report.num_pieces, len(form.report.new_passes)) == (NUM_PIECES, 0)
    assert "1 ms in INT8, 3 ms in FP32 (3.00 x)" in form.graphs[0].why
    assert 0 < (form.graphs[0].quantised or 0) < 1


def test_what_is_slower_stays_as_exported_and_says_the_two_figures(tmp_path: Path, speeds: list[float]) -> None:
    speeds[:] = [5.0, 5.0, 4.0, 5.0, 1.0]  # top-full, the most expensive, comes first, with four float-layer rules.
    form = compile_for_cpu(demo_job(tmp_path / "scratch", Wish("onnx", "int8")))
    full = form.graphs[1]
    assert (full.part, full.path, full.precision) == ("top-full", None, "fp32")
    assert full.why == "is no faster in INT8: 4 ms in INT8, 3 ms in FP32 (0.75 x)"
    assert [artifact.precision for artifact in form.graphs] == ["int8", "fp32", "int8", "fp32"]


def test_the_exported_graphs_are_opened_once_for_all_trials(
    tmp_path: Path, speeds: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []

    def noted(path: Path, settings: EngineSettings) -> Engine:
        opened.append(path)
        return open_engine(path, settings)

    monkeypatch.setattr(int8_selection, "open_engine", noted)
    compile_for_cpu(demo_job(tmp_path / "scratch", Wish("onnx", "int8")))
    assert len(exported := [path for path in opened if DEMO in path.parents]) == len(set(exported)) == 4
    assert len(opened) > 4


def test_products_stay_in_float_where_that_is_faster(tmp_path: Path, speeds: list[float]) -> None:
    """Few channels are what ONNX Runtime has no eight bits for: of images, in the first product."""
    speeds[:] = [1.5, 1.0, 2.0, 2.0, 1.0]
    form = compile_for_cpu(demo_job(tmp_path / "scratch", Wish("onnx", "int8")))
    assert form.graphs[1].why == "1 ms in INT8, 3 ms in FP32 (3.00 x); without the first product"


def test_where_no_graph_is_worth_it_nothing_is_added(tmp_path: Path, speeds: list[float]) -> None:
    speeds[:] = [2.9]
    with pytest.raises(
        RefusedError, match=r"onnx/int8: no graph is worth it, and nothing is added:\n  top-scout is no"
    ):
        compile_for_cpu(demo_job(tmp_path / "scratch", Wish("onnx", "int8")))


def test_spoiled_scales_are_refused_by_the_gate(
    tmp_path: Path, speeds: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(int8_selection, "quantise", lambda *arguments: spoiled(quantised_once(*arguments)))
    with pytest.raises(RefusedError) as error:
        compile_for_cpu(demo_job(tmp_path / "scratch", Wish("onnx", "int8")))
    lines = str(error.value).splitlines()[1:]
    assert [line.split()[0] for line in lines] == ["top-scout", "top-full", "mic-scout", "head"]
    for line in lines[:3]:
        assert re.search(rf"decides otherwise: \d+ of {NUM_PIECES} decisions flip \(1 may\): s1-.*\(3\.00 x\)$", line)


def test_what_the_runtime_cannot_run_says_so(
    tmp_path: Path, speeds: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def quantised(model: ModelProto, feeds: Iterable[Feed], dialect: Dialect, left_out: Set[str]) -> ModelProto:
        graph = quantised_once(model, feeds, dialect, left_out)
        return graph if len(left_out) == 1 else unknown_operator(graph)

    monkeypatch.setattr(int8_selection, "quantise", quantised)
    form = compile_for_cpu(demo_job(tmp_path / "scratch", Wish("onnx", "int8")))
    assert form.graphs[1].why in [f"1 ms in INT8, 3 ms in FP32 (3.00 x); without the {which} product" for which in
                                  ("first", "last")]  # fmt: skip
    monkeypatch.setattr(int8_selection, "quantise", lambda *arguments: unknown_operator(quantised_once(*arguments)))
    with pytest.raises(RefusedError, match=r"top-full does not run so: .*Nonsense"):
        compile_for_cpu(demo_job(tmp_path / "again", Wish("onnx", "int8")))


def unknown_operator(model: ModelProto) -> ModelProto:
    model.graph.node[0].op_type = "Nonsense"
    return model


def test_pieces_that_the_encoders_were_fitted_on_say_nothing_of_eight_bits(tmp_path: Path) -> None:
    certificate = claimless(of_these_encoders=False)
    bundle = load(DEMO)
    seen = replace(bundle, schema=bundle.schema.model_copy(update={"certificate": certificate}))
    with pytest.raises(RefusedError, match=r'fitted on its calibration pieces too .* Train it with refit = "never"'):
        compile_for_cpu(demo_job(tmp_path / "scratch", Wish("onnx", "int8"), seen))


def test_an_expert_that_no_piece_reached_stays_in_float(tmp_path: Path, speeds: list[float]) -> None:
    job = demo_job(tmp_path / "scratch", Wish("onnx", "int8"))
    rare = [piece for piece in job.parity.pieces if "top-full" not in piece.expected.experts]
    assert 0 < len(rare) < len(job.parity.pieces)
    form = compile_for_cpu(replace(job, parity=replace(job.parity, pieces=tuple(rare))))
    assert [artifact.precision for artifact in form.graphs] == ["int8", "fp32", "int8", "fp32"]
    assert form.graphs[1].why.startswith("runs on none of the parity set's pieces")
