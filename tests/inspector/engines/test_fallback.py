"""When a device fails at work, ONNX Runtime judges the same pieces, or the line stops: as the recipe says; STAND-IN."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from inspector.bundle.load import load
from inspector.engines.engine import DeviceError, DeviceMemoryError, EngineSettings, LostDeviceError
from inspector.inference.fallback import current_model
from inspector.inference.model import Model, open_model
from inspector.judging.routed_judge import RoutedJudge
from inspector.recipe.recipe import Recipe
from inspector.recipe.recipes import Recipes
from protos.inspection.v1 import verdict_pb2 as pb
from streams.observation import Observation
from tests.bundles import NOW_NS, clip, piece, toy_recipe, view
from tests.standins.cuda import Faults
from tests.standins.gpus import BATCHES, StandInGpu, compiled_toy

LABEL = "onnx/fp32 (fallback from tensorrt/fp16)"
LEVELS = ((0.25, 0.0), (0.9, 0.9), (0.5, 0.45), (0.6, 0.1))
STARTING = 4 * len(BATCHES)
"""Launches of a start: every graph once in every bucket."""


def pieces(levels: Sequence[tuple[float, float]] = LEVELS) -> list[Observation]:
    return [piece(view(top), clip(mic), piece_id=str(index)) for index, (top, mic) in enumerate(levels)]


def opened(tmp_path: Path, gpu: StandInGpu) -> Model:
    folder = compiled_toy(tmp_path / "bundle", gpu)
    return open_model(load(folder), EngineSettings("tensorrt", precision="fp16"), gpu=lambda: gpu.api)


def judge_of(model: Model, *recipes: Recipe) -> RoutedJudge:
    return RoutedJudge(Recipes(recipes), {model.bundle.folder: model}, clock_ns=lambda: NOW_NS)


def essence(verdicts: Sequence[pb.Verdict]) -> list[tuple[object, ...]]:
    return [(v.decision, v.reason, v.route, v.defect_score, len(v.images)) for v in verdicts]


@pytest.mark.parametrize("launches", range(6))
def test_pieces_of_the_batch_that_failed_are_judged_again(
    tmp_path: Path, launches: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Wherever in the routing the device is lost."""
    gpu = StandInGpu(Faults(lost_after=STARTING + launches))
    model = opened(tmp_path, gpu)
    recipe = toy_recipe(model.bundle.folder)
    found = judge_of(model, recipe).judge(pieces())
    expected = judge_of(open_model(model.bundle, EngineSettings()), recipe).judge(pieces())
    assert gpu.cuda.sticky, "the device was to be lost in this batch"
    assert essence(found) == essence(expected)
    assert {v.engine for v in found} == {LABEL}
    assert "tensorrt/fp16 fails, ONNX Runtime judges from now on: run on the device: cudaErrorIllegal" in caplog.text


def test_the_model_stays_on_onnx_runtime_for_all_who_use_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    gpu = StandInGpu()
    model = opened(tmp_path, gpu)
    judge = judge_of(model, toy_recipe(model.bundle.folder))
    twin = judge.with_own_budget()
    assert {v.engine for v in judge.judge(pieces())} == {"tensorrt/fp16"}
    gpu.trt.runs_fail_after = 0
    with caplog.at_level(logging.ERROR):
        engines = [{v.engine for v in one.judge(pieces())} for one in (judge, twin, judge)]
    assert engines == [{LABEL}] * 3
    assert len(caplog.messages) == 1
    assert current_model(model).engine == LABEL
    assert current_model(replace(model, bundle=model.bundle)).engine == "tensorrt/fp16"


@pytest.mark.parametrize(
    ("lost_after", "runs_fail_after", "kind"),
    [(STARTING, None, LostDeviceError), (None, STARTING, DeviceMemoryError)],
)
def test_a_recipe_may_have_the_line_stop(
    tmp_path: Path, lost_after: int | None, runs_fail_after: int | None, kind: type[Exception]
) -> None:
    gpu = StandInGpu(Faults(lost_after=lost_after))
    gpu.trt.runs_fail_after = runs_fail_after
    model = opened(tmp_path, gpu)
    stops = toy_recipe(model.bundle.folder).model_copy(update={"engine_fault": "stop"})
    judge = judge_of(model, stops)
    for _ in range(2):
        with pytest.raises(kind):
            judge.judge(pieces())
    assert current_model(model) is model


def test_a_recipe_that_stops_is_not_judged_by_what_another_one_fell_back_to(tmp_path: Path) -> None:
    """Both share the bundle."""
    gpu = StandInGpu(Faults(lost_after=STARTING))
    model = opened(tmp_path, gpu)
    falls = toy_recipe(model.bundle.folder)
    stops = toy_recipe(model.bundle.folder, "plates", "plate").model_copy(update={"engine_fault": "stop"})
    judge = judge_of(model, falls, stops)
    assert {v.engine for v in judge.judge(pieces())} == {LABEL}
    with pytest.raises(DeviceError, match=r"tensorrt/fp16 has failed, and engine_fault is stop in recipe plates;"):
        judge.judge([piece(product="plate")])
    assert {v.engine for v in judge.judge(pieces())} == {LABEL}


def test_a_bad_piece_is_no_fault_of_the_device(tmp_path: Path) -> None:
    gpu = StandInGpu()
    model = opened(tmp_path, gpu)
    found = judge_of(model, toy_recipe(model.bundle.folder)).judge(pieces([(0.25, -0.9), (0.25, 0.0)]))
    assert found[0].reason == pb.DECISION_REASON_ENGINE
    assert [v.decision for v in found] == [pb.DECISION_REVIEW, pb.DECISION_PASS]
    assert {v.engine for v in found} == {"tensorrt/fp16"}
