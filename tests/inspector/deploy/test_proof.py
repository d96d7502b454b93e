"""What passed the check is remembered for what was checked, and for nothing else."""

from pathlib import Path

import pytest

from inspector import admission
from inspector.bundle.load import load
from inspector.config.tables import WorkerTable
from inspector.deploy import proof
from inspector.deploy.proof import Proof
from inspector.engines.engine import EngineSettings
from tests.inspector.deploy.toys import Rig

AS_USUAL = WorkerTable()
FP32 = EngineSettings.parse("onnx/fp32")


def made(rig: Rig, worker: WorkerTable = AS_USUAL, **changes: object) -> Proof:
    recipe = next(iter(rig.service.recipes)).model_copy(update=changes)
    return Proof(load(rig.bundle("a")), recipe, worker)


def test_what_passed_is_known_at_the_next_start(rig: Rig) -> None:
    assert made(rig).engine() is None
    made(rig).keep(FP32)
    assert made(rig).engine() == FP32


@pytest.mark.parametrize("changes", [{"pass_below": 0.1}, {"parity_max_flips": 0.0}, {"golden": Path("gone.jsonl")}])
def test_another_recipe_is_another_question(rig: Rig, changes: dict[str, object]) -> None:
    made(rig).keep(FP32)
    assert made(rig, **changes).engine() is None


@pytest.mark.parametrize("worker", [WorkerTable(threads=2), WorkerTable(max_batch=4)])
def test_another_way_to_run_graphs_is_another_question(rig: Rig, worker: WorkerTable) -> None:
    made(rig).keep(FP32)
    assert made(rig, worker).engine() is None


def test_engines_that_run_graphs_otherwise_are_another_question(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    made(rig).keep(FP32)
    monkeypatch.setattr(admission, "HOW_GRAPHS_RUN", "later")
    assert made(rig).engine() is None


def test_other_golden_pieces_are_another_question(rig: Rig) -> None:
    golden = rig.folder / "golden.jsonl"
    golden.write_text("one")
    made(rig, golden=golden).keep(FP32)
    golden.write_text("another")
    assert made(rig, golden=golden).engine() is None


def test_another_machine_is_another_question(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    made(rig).keep(FP32)
    monkeypatch.setattr(proof, "machine", lambda wish, gpu: "another driver")
    assert made(rig).engine() is None


def test_an_engine_that_nobody_asks_for_is_none(rig: Rig) -> None:
    made(rig).keep(EngineSettings.parse("torch/fp32"))
    assert made(rig).engine() is None
