"""`inspector compile` adds a form that passed the gate, or says why not and leaves the bundle as it was."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from inspector.bundle.load import load
from inspector.cli import main
from inspector.dataset.manifest import Label
from inspector.parity.schema import Prediction
from tests.bundles import write_toy_bundle
from tests.inspector.parity.toy_set import toy_pieces, unchanged, write_toy_set
from tests.standins.builder import classic_box


def run(bundle: Path, *words: str | Path) -> Result:
    return CliRunner().invoke(main, ["compile", str(bundle), *map(str, words)], env={"COLUMNS": "200"})


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_toy_set(tmp_path / "toy", toy_pieces(20), unchanged).path.parent


def two_flips(index: int, prediction: Prediction) -> tuple[Label, Prediction]:
    return "ok", prediction.model_copy(update={"decision": "FAIL"}) if index < 2 else prediction


def test_a_form_is_added_with_its_table_and_what_the_gate_proves(bundle: Path) -> None:
    done = run(bundle, "--engine", "tensorrt", "--precision", "fp32", "--target", "8.6, 8.9", "--max-batch", "2")
    assert done.exit_code == 0, done.output
    (form,) = load(bundle).schema.compiled
    assert (form.engine, form.precision, form.targets, form.batches) == ("tensorrt", "fp32", ("8.6", "8.9"), (1, 2))
    assert form.compiler == "tensorrt-rtx 1.7.1.116"
    assert "passed: 0 of 20 decisions flip (allowed: 1)" in done.output
    assert "proven at 95%" in done.output
    for graph in form.graphs:
        assert graph.part in done.output
        assert f"{graph.num_bytes:,}" in done.output
        assert not load(bundle).file_fault(graph.file)


def test_what_decides_otherwise_is_refused_by_exit_code_with_the_pieces(tmp_path: Path) -> None:
    bundle = write_toy_set(tmp_path / "toy", toy_pieces(20), two_flips).path.parent
    before = load(bundle)
    done = run(bundle, "--engine", "tensorrt", "--precision", "fp32")
    assert done.exit_code == 1
    assert "REFUSED: 2 of 20 decisions flip (allowed: 1)" in done.output
    assert "p0 (ok): FAIL 0." in done.output
    assert "p1 (ok): FAIL 0." in done.output
    assert load(bundle).digest == before.digest
    assert {path.name for path in bundle.iterdir()} == {*before.schema.files, "bundle.json"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--engine", "onnx"], "onnx/int8: no graph is worth it, and nothing is added:\n  top-thumb holds no product"),
        (["--engine", "onnx", "--precision", "fp32"], "onnx/fp32 needs no compiling"),
        (["--engine", "openvino", "--precision", "fp16"], "CPUs compute in FP32 or INT8; ask for --precision int8"),
        (["--engine", "onnx", "--target", "8.6"], "onnx/int8 is for CPUs, and --target names GPUs; leave it out"),
        (["--engine", "tensorrt", "--target", "9.0"], "9.0 is none that this TensorRT for RTX builds for: 7.5, 8.0"),
        (["--engine", "onnx", "--calibration", "none.jsonl"], "none.jsonl: cannot be read"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_message(bundle: Path, words: list[str], message: str) -> None:
    before = load(bundle).digest
    done = run(bundle, *words)
    assert done.exit_code == 1
    assert message in done.output
    assert load(bundle).digest == before


def test_without_a_parity_set_nothing_is_compiled(tmp_path: Path) -> None:
    done = run(write_toy_bundle(tmp_path / "toy"), "--engine", "tensorrt")
    assert done.exit_code == 1
    assert "has no parity set" in done.output


def test_a_copy_leaves_the_bundle_alone(bundle: Path, tmp_path: Path) -> None:
    before, out = load(bundle).digest, tmp_path / "box"
    done = run(bundle, "--engine", "tensorrt", "--precision", "fp32", "--target", "8.6", "--out", out)
    assert done.exit_code == 0, done.output
    assert load(bundle).digest == before
    assert [form.engine for form in load(out).schema.compiled] == ["tensorrt"]


@pytest.mark.parametrize(
    ("words", "kept"),
    [([], "home/inspector/tensorrt"), (["--cache", "other"], "other"), (["--cache", "off"], None)],
)
def test_engines_of_tensorrt_are_kept_where_asked(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], kept: str | None
) -> None:
    trt = classic_box(monkeypatch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        done = run(bundle, "--engine", "tensorrt", "--precision", "fp32", *words)
        assert done.exit_code == 0, done.output
    folders = {path.parent.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.engine")} - {bundle.name}
    assert folders == ({kept} if kept else set())
    assert len(trt.profiles) == (4 if kept else 8)
    assert ("taken from the cache" in done.output) is (kept is not None)
