"""An approval is remembered, and holds only for the same bundle, recipe, machine and settings."""

from pathlib import Path
from typing import Any

import pytest

from inspector.bundle.load import load
from inspector.config.service import load_service
from inspector.config.tables import WorkerTable
from inspector.dataset.manifest import ImageRow, PieceRow, SignalRow, write_manifest
from inspector.engines.engine import EngineSettings
from inspector.rollout import admission, approvals, golden_digest
from inspector.rollout.approvals import ApprovalCache
from tests.inspector.rollout.toys import RECIPE, Rig, StandInGate, running

AS_USUAL = WorkerTable()
FP32 = EngineSettings.parse("onnx/fp32")


def approval_cache(rig: Rig, worker: WorkerTable = AS_USUAL, **changes: Any) -> ApprovalCache:
    recipe = next(iter(rig.service.recipes)).model_copy(update=changes)
    return ApprovalCache(load(rig.bundle("a")), recipe, worker)


def test_what_passed_is_known_at_the_next_start(rig: Rig) -> None:
    assert approval_cache(rig).engine() is None
    approval_cache(rig).keep(FP32)
    assert approval_cache(rig).engine() == FP32


@pytest.mark.parametrize("changes", [{"pass_below": 0.1}, {"parity_max_flips": 0.0}, {"golden": Path("gone.jsonl")}])
def test_another_recipe_is_another_question(rig: Rig, changes: dict[str, Any]) -> None:
    approval_cache(rig).keep(FP32)
    assert approval_cache(rig, **changes).engine() is None


@pytest.mark.parametrize("worker", [WorkerTable(threads=2), WorkerTable(max_batch=4)])
def test_another_way_to_run_graphs_is_another_question(rig: Rig, worker: WorkerTable) -> None:
    approval_cache(rig).keep(FP32)
    assert approval_cache(rig, worker).engine() is None


def test_engines_that_run_graphs_otherwise_are_another_question(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    approval_cache(rig).keep(FP32)
    monkeypatch.setattr(admission, "HOW_GRAPHS_RUN", "later")
    assert approval_cache(rig).engine() is None


def golden_set(rig: Rig) -> Path:
    """Two pieces, one of them with sound and a mask."""
    for name in ("a.png", "b.png", "a.wav", "a_mask.png"):
        (rig.folder / name).write_bytes(name.encode())
    sound = SignalRow(sensor="mic", kind="audio", sample_rate_hz=100, path="a.wav")
    rows = [
        PieceRow(piece_id=name, split="test", label="ok", images=(ImageRow(camera="top", path=f"{name}.png"),))
        for name in ("a", "b")
    ]
    rows[0] = rows[0].model_copy(update={"signals": (sound,), "mask": "a_mask.png"})
    write_manifest(rig.folder / "golden.jsonl", rows)
    return rig.folder / "golden.jsonl"


def test_other_golden_pieces_are_another_question(rig: Rig) -> None:
    golden = golden_set(rig)
    approval_cache(rig, golden=golden).keep(FP32)
    assert approval_cache(rig, golden=golden).engine() == FP32
    golden.write_text(golden.read_text().replace('"ok"', '"nok"'))
    assert approval_cache(rig, golden=golden).engine() is None


@pytest.mark.parametrize("name", ["a.png", "b.png", "a.wav", "a_mask.png"])
@pytest.mark.parametrize("change", ["other", "longer", "gone", "swapped"])
def test_a_changed_file_of_the_golden_set_voids_the_approval(
    rig: Rig, caplog: pytest.LogCaptureFixture, name: str, change: str
) -> None:
    golden = golden_set(rig)
    approval_cache(rig, golden=golden).keep(FP32)
    path = rig.folder / name
    match change:
        case "other":
            path.write_bytes(path.read_bytes()[::-1])
        case "longer":
            path.write_bytes(path.read_bytes() + b"\0")
        case "gone":
            path.unlink()
        case "swapped":
            other = rig.folder / ("b.png" if name != "b.png" else "a.png")
            content = path.read_bytes()
            path.write_bytes(other.read_bytes())
            other.write_bytes(content)
    assert approval_cache(rig, golden=golden).engine() is None
    assert f"is void: a file of the golden set {golden} has changed. Checking it again." in caplog.text


def test_an_approval_by_the_manifest_alone_is_void(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    golden = golden_set(rig)
    approval_cache(rig, golden=golden).keep(FP32)
    (kept,) = rig.bundle("a").parent.rglob("deploy-cup-*.passed")
    kept.write_text("onnx/fp32\n")
    assert approval_cache(rig, golden=golden).engine() is None
    assert "it is of an older version that checked only the manifest of the golden set" in caplog.text
    assert approval_cache(rig).engine() is None
    approval_cache(rig).keep(FP32)
    assert approval_cache(rig).engine() == FP32, "without a golden set nothing changes"


@pytest.mark.parametrize(("bound", "value"), [("MAX_FILES", 3), ("MAX_BYTES", 24)])
def test_a_golden_set_above_its_bounds_is_never_remembered(
    rig: Rig, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, bound: str, value: int
) -> None:
    golden = golden_set(rig)
    monkeypatch.setattr(golden_digest, bound, value + 1)
    approval_cache(rig, golden=golden).keep(FP32)
    assert approval_cache(rig, golden=golden).engine() == FP32
    monkeypatch.setattr(golden_digest, bound, value)
    caplog.clear()
    approval_cache(rig, golden=golden).keep(FP32)
    assert approval_cache(rig, golden=golden).engine() is None
    assert "An approval by the golden set cannot be remembered" in caplog.text


def test_another_machine_is_another_question(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    approval_cache(rig).keep(FP32)
    monkeypatch.setattr(approvals, "machine", lambda wish, gpu: "another driver")
    assert approval_cache(rig).engine() is None


def test_an_engine_that_nobody_asks_for_is_none(rig: Rig) -> None:
    approval_cache(rig).keep(EngineSettings.parse("torch/fp32"))
    assert approval_cache(rig).engine() is None


def test_a_worker_that_runs_on_asks_again_too(rig: Rig, gate: StandInGate) -> None:
    golden_set(rig)
    (rig.folder / "cup.toml").write_text('golden = "golden.jsonl"\n' + RECIPE)
    rig.service = load_service(rig.service.path)
    with running(rig) as worker:
        for version in ("a", "b", "a"):
            rig.deploy(version)
            worker.look()
        assert gate.checked_versions == ["a", "b"]
        (rig.folder / "a.png").write_bytes(b"another")
        for version in ("b", "a", "a"):
            rig.deploy(version)
            worker.look()
        assert gate.checked_versions == ["a", "b", "b", "a"]
