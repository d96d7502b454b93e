"""Real encoders and a real head, as the training half exports them, behind the judge; weights are random."""

from pathlib import Path

import numpy as np
import pytest

from inspector.bundle.load import load
from inspector.bundle.schema import ImageInput, SignalInput
from inspector.engines.engine import EngineName, EngineSettings
from inspector.inference.model import Model, open_model
from inspector.judging.routed_judge import RoutedJudge
from inspector.recipe.recipe import Camera, Recipe, Sensor
from inspector.recipe.recipes import Recipes
from protos.inspection.v1 import verdict_pb2 as pb
from streams.observation import Clip, CloseReason, InspectionId, Observation, State, View

pytestmark = pytest.mark.train
NOW_NS = 1_700_000_000_000_000_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from inspector.training.untrained_bundle import write_untrained

    path = tmp_path_factory.mktemp("bundle") / "untrained"
    write_untrained(path)
    return path


def sensors(model: Model) -> dict[str, SignalInput]:
    return {e.modality: e.input for e in model.schema.experts if isinstance(e.input, SignalInput)}


def judge_of(folder: Path, name: EngineName, max_batch: int) -> RoutedJudge:
    model = open_model(load(folder), EngineSettings(name))
    kinds = {modality.name: modality.kind for modality in model.schema.modalities}
    tables = [
        Sensor.model_validate({
            "name": sensor, "kind": kinds[sensor], "sample_rate_hz": form.sample_rate_hz,
            "num_channels": form.num_channels, "end_s": form.num_samples / form.sample_rate_hz,
        })
        for sensor, form in sensors(model).items()
    ]  # fmt: skip
    camera = next(e.modality for e in model.schema.experts if isinstance(e.input, ImageInput))
    recipe = Recipe(
        name="r", version="1", bundle=folder, cameras=(Camera(name=camera),), sensors=tuple(tables), evidence="always"
    )
    return RoutedJudge(Recipes([recipe]), {folder: model}, max_batch, clock_ns=lambda: NOW_NS)


def pieces(judge: RoutedJudge, num: int) -> list[Observation]:
    """Random images and noise; every third piece lacks its last sensor."""
    recipe = judge.recipe("l", "s", "p")
    assert recipe is not None
    model, random, verdicts = judge.live("line-1", recipe).model, np.random.default_rng(3), []
    for index in range(num):
        image = random.integers(0, 255, (120, 160, 3)).astype(np.uint8)
        clips = {}
        for name, form in list(sensors(model).items())[: 1 if index % 3 == 2 else None]:
            samples = (0.1 * random.standard_normal((form.num_samples, form.num_channels))).astype(np.float32)
            clips[name] = Clip(name, recipe.kinds[name], samples, form.sample_rate_hz, State.PRESENT)
        views = {camera.name: View(camera.name, (image,), State.PRESENT) for camera in recipe.cameras}
        times = NOW_NS, NOW_NS, NOW_NS, NOW_NS
        verdicts.append(
            Observation(InspectionId("l", "s", str(index)), "p", "", CloseReason.COMPLETE, views, clips, *times)
        )
    return verdicts


def judged(folder: Path, name: EngineName, max_batch: int) -> list[pb.Verdict]:
    judge = judge_of(folder, name, max_batch)
    return judge.judge(pieces(judge, 7))


@pytest.mark.parametrize(("name", "max_batch"), [("onnx", 1), ("onnx", 3), ("openvino", 16)])
def test_engine_and_batch_change_no_verdict(folder: Path, name: EngineName, max_batch: int) -> None:
    expected, verdicts = judged(folder, "onnx", 16), judged(folder, name, max_batch)
    assert [(v.decision, v.reason, v.route) for v in verdicts] == [(v.decision, v.reason, v.route) for v in expected]
    np.testing.assert_allclose([v.defect_score for v in verdicts], [v.defect_score for v in expected], atol=1e-5)
    assert pb.DECISION_REASON_ENGINE not in {v.reason for v in expected}
    assert all(v.images and v.images[0].heat_map_png for v in expected)


def test_gate_weights_sum_to_one_over_what_was_examined(folder: Path) -> None:
    for verdict in judged(folder, "onnx", 16):
        weights = [m.gate_weight for m in verdict.modalities if m.HasField("gate_weight")]
        assert sum(weights) == pytest.approx(1.0, abs=1e-5)
        assert len(weights) == sum(m.state == pb.MODALITY_STATE_PRESENT for m in verdict.modalities)


def test_a_bundle_holds_no_path_of_the_machine_that_made_it(folder: Path) -> None:
    root = str(Path(__file__).resolve().parents[3]).encode()
    assert [path.name for path in folder.iterdir() if root in path.read_bytes()] == []
