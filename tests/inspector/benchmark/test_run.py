"""A bundle is measured in the forms that run here, against the reference, and judged by the very judge of the line."""

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from inspector.benchmark import run as bench
from inspector.benchmark.artefacts import BenchError
from inspector.benchmark.gpu import NO_GPU
from inspector.benchmark.line import line_row
from inspector.benchmark.load_generator import Clock, Load
from inspector.benchmark.memory import Memory
from inspector.benchmark.report import Report
from inspector.benchmark.settings import BenchSettings
from inspector.engines.engine import Array
from inspector.engines.tensorrt.engine_file import EngineFile
from inspector.engines.timing import Pace
from tests.bundles import write_toy_bundle
from tests.inspector.parity.toy_set import toy_model, toy_pieces, write_toy_set
from tests.standins.gpus import StandInGpu, add_form, compiled_toy

QUICK = BenchSettings(engines=("onnx",), batches=(1, 3), rates=(200.0,), seconds=0.1, pace=Pace(2, 2, 0.0, turn=1))


@pytest.fixture(autouse=True)
def no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is not measured again for every test, and the GPU of this machine is not used."""
    monkeypatch.setattr("inspector.benchmark.graphs.measure_memory", lambda bundle, artefact: Memory(1, 2))
    monkeypatch.setattr(bench, "open_gpu_meter", lambda bundle, checkpoint: None)


def measured(folder: Path, settings: BenchSettings = QUICK) -> tuple[Report, list[tuple[str, int, int]]]:
    progress = list[tuple[str, int, int]]()
    return bench.measure(folder, settings, lambda *step: progress.append(step)), progress


def with_int8(folder: Path) -> Path:
    """A form onnx/int8 of one expert, which is the exported graph under another name."""
    path = Path(shutil.copy(folder / "thumb.onnx", folder / "thumb.int8.onnx"))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    add_form(folder, "onnx/int8", {"top-thumb": EngineFile(path, digest, "onnxruntime 1", (), ())})
    return folder


def test_graphs_are_measured_at_each_batch_against_the_reference(tmp_path: Path) -> None:
    report, _ = measured(with_int8(write_toy_bundle(tmp_path / "toy")))
    rows = [(row.part, row.runs_as, row.batch) for row in report.graphs]
    assert rows == [
        ("top-thumb", "onnx/fp32", 1), ("top-thumb", "onnx/int8", 1),
        ("top-thumb", "onnx/fp32", 3), ("top-thumb", "onnx/int8", 3),
        ("top-full", "onnx/fp32", 1), ("top-full", "onnx/fp32", 3),
        ("mic-ear", "onnx/fp32", 1), ("mic-ear", "onnx/fp32", 3),
        ("head", "onnx/fp32", 1), ("head", "onnx/fp32", 3),
    ]  # fmt: skip
    assert all(row.faster == 1 and row.less_cpu == 1 for row in report.graphs if row.runs_as == "onnx/fp32")
    assert all(row.gpu.roofline == NO_GPU and row.num_runs == 2 and row.ms > 0 for row in report.graphs)


def test_decisions_are_counted_by_the_parity_gate(tmp_path: Path) -> None:
    write_toy_set(
        tmp_path, toy_pieces(20), lambda _, prediction: ("ok", prediction.model_copy(update={"decision": "REVIEW"}))
    )
    report, _ = measured(tmp_path)
    (row,), line = report.forms, report.line
    assert row.parity is not None
    assert (row.parity.num_pieces, row.parity.flips > 10) == (20, True)
    assert (line[0].form, line[0].offered_per_s, line[0].num_left) == ("onnx/fp32", 200, 0)


def test_without_a_parity_set_there_are_no_flips_and_pieces_are_made_up(tmp_path: Path) -> None:
    report, progress = measured(write_toy_bundle(tmp_path / "toy"))
    assert report.forms[0].parity is None
    assert any("64 pieces of noise, since the bundle has no parity set" in note for note in report.notes)
    assert {stage for stage, _, _ in progress} == {"memory", "graphs", "end to end"}
    ends = {stage: (done, total) for stage, done, total in progress}
    assert all(done == total for done, total in ends.values())


def test_a_form_that_does_not_run_here_says_why(tmp_path: Path) -> None:
    """Its engines name a compiler that is nowhere."""
    folder = compiled_toy(tmp_path / "toy", StandInGpu())
    report, _ = measured(folder, BenchSettings(("tensorrt",), (1,), (200.0,), 0.1, pace=QUICK.pace))
    (row,) = report.forms
    assert (row.form, row.parity, bool(row.why_not)) == ("tensorrt/fp16", None, True)
    assert row.num_bytes > 0
    assert {graph.runs_as for graph in report.graphs} == {"onnx/fp32"}
    assert report.line == []


def test_what_a_compiled_form_leaves_as_it_was_is_said(tmp_path: Path) -> None:
    report, _ = measured(with_int8(write_toy_bundle(tmp_path / "toy")))
    assert [row.kept for row in report.forms] == [
        [], ["top-full runs as onnx/fp32", "mic-ear runs as onnx/fp32", "head runs as onnx/fp32"],
    ]  # fmt: skip


def test_an_unknown_form_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="has no onnx/int8"):
        measured(write_toy_bundle(tmp_path / "toy"), BenchSettings(("onnx/int8",)))


def test_recorded_pieces_are_no_backlog_to_the_judge(tmp_path: Path) -> None:
    """They were captured long ago: a piece turned away would cost next to nothing. The clock moves by asking it."""
    pieces = write_toy_set(tmp_path, toy_pieces(20))
    model = toy_model(tmp_path)
    seconds = iter(index / 1000 for index in range(10_000))
    calls = list[int]()
    run = model.experts["top-thumb"].run

    def counted(inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        calls.append(len(inputs["input"]))
        return run(inputs)

    model.experts["top-thumb"].run = counted  # type: ignore[method-assign]
    row = line_row(
        model, pieces.observations(pieces.pieces), Load(100, 0.1), Clock(lambda: next(seconds), lambda _: None)
    )
    assert sum(calls) == 20 + 10
    assert (row.num_left, row.offered_per_s, sum(size * num for size, num in row.batches.items())) == (0, 100, 10)
