"""No expert looks at a source that cannot be believed, the verdict says why, and nothing passes on it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inspector.bundle.load import load
from inspector.bundle.schema import Plausibility, Range
from inspector.engines.engine import EngineSettings
from inspector.inference.examination import Examination
from inspector.inference.model import Model, open_model
from inspector.judging.routed_judge import RoutedJudge
from inspector.plausibility.learning import PictureKind, picture_format
from inspector.plausibility.limits import Strictness
from inspector.plausibility.sources import KEPT_BYTES, Kept, watcher
from inspector.recipe.recipes import Recipes
from inspector.verdicts.words import enum_word
from protos.inspection.v1 import verdict_pb2 as pb
from streams.observation import CloseReason, MissingReason, Observation, State, View
from tests.bundles import NOW_NS, clip, grey, piece, toy_recipe, view, write_toy_bundle

LIMITS = {
    "top": Plausibility(
        recordings=9,
        groups=9,
        figures={"brightness": Range(low=0.1, high=0.95)},
        picture=picture_format({PictureKind(8, 12, 1, "uint8")}),
    ),
    "mic": Plausibility(recordings=9, groups=9, figures={"offset": Range(low=-0.9, high=0.9)}),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_bundle(tmp_path_factory.mktemp("toy") / "bundle")


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    """The toy, with limits."""
    bare = open_model(load(folder), EngineSettings("onnx"))
    limited = tuple(m.model_copy(update={"plausibility": LIMITS[m.name]}) for m in bare.schema.modalities)
    schema = bare.schema.model_copy(update={"modalities": limited})
    return replace(bare, bundle=replace(bare.bundle, schema=schema))


def judged(model: Model, *pieces: Observation, top: Strictness = "on") -> list[pb.Verdict]:
    plain = toy_recipe(model.bundle.folder)
    recipe = plain.model_copy(update={"cameras": (plain.cameras[0].model_copy(update={"plausibility": top}),)})
    return RoutedJudge(Recipes([recipe]), {recipe.bundle: model}, clock_ns=lambda: NOW_NS).judge(pieces)


def ran(verdict: pb.Verdict) -> set[str]:
    return {run.expert for run in verdict.experts if run.ran}


def words(verdict: pb.Verdict) -> tuple[str, str]:
    return (
        enum_word(pb.Decision, verdict.decision),
        enum_word(pb.DecisionReason, verdict.reason),
    )


def test_what_is_believed_is_judged_as_before(model: Model) -> None:
    (verdict,) = judged(model, piece())
    assert words(verdict) == ("PASS", "GOOD")
    assert all(m.state == pb.MODALITY_STATE_PRESENT and not m.detail for m in verdict.modalities)


def test_a_dark_picture_is_not_looked_at_and_the_verdict_says_why(model: Model) -> None:
    """It is the only camera's: the sound is not asked either."""
    (verdict,) = judged(model, piece(view(0.05)))
    assert words(verdict) == ("REVIEW", "IMPLAUSIBLE")
    assert not ran(verdict)
    top = verdict.modalities[0]
    assert (top.state, top.reason) == (pb.MODALITY_STATE_IMPLAUSIBLE, pb.MODALITY_REASON_EXPOSURE)
    assert top.detail == "mean brightness 0.051, expected 0.1 to 0.95: is the light on, or the lens covered?"


def test_it_is_the_verdict_of_a_piece_whose_images_were_marked_before(model: Model) -> None:
    marked = View("top", (grey(0.5),), State.IMPLAUSIBLE, MissingReason.FROZEN)
    for verdict in judged(model, piece(view(0.05)), piece(marked)):
        assert words(verdict) == ("REVIEW", "IMPLAUSIBLE")
        assert not ran(verdict)


def test_with_a_sound_that_is_not_believed_a_good_picture_does_not_pass_and_a_bad_one_fails(model: Model) -> None:
    good, bad = judged(model, piece(mic=clip(0.95)), piece(view(0.9), clip(0.95)))
    assert (words(good), words(bad)) == (("REVIEW", "IMPLAUSIBLE"), ("FAIL", "DEFECT"))
    assert ran(good) | ran(bad) <= {"top-thumb", "top-full"}
    assert good.modalities[1].reason == pb.MODALITY_REASON_OFFSET


def test_one_implausible_image_of_several_makes_the_camera_implausible(model: Model) -> None:
    several = View("top", (grey(0.25), grey(0.05)), State.PRESENT)
    (verdict,) = judged(model, piece(several))
    assert words(verdict) == ("REVIEW", "IMPLAUSIBLE")


def test_another_depth_is_not_believed_and_nobody_looks(model: Model) -> None:
    (verdict,) = judged(model, piece(View("top", (grey(0.25).astype(np.uint16) * 257,), State.PRESENT)))
    assert verdict.modalities[0].reason == pb.MODALITY_REASON_FORMAT
    assert (words(verdict), ran(verdict)) == (("REVIEW", "IMPLAUSIBLE"), set())


@pytest.mark.parametrize("brightness", [0.25, 0.9])
def test_a_picture_of_another_size_is_scored_and_neither_passes_nor_fails(model: Model, brightness: float) -> None:
    known, other = (View("top", (grey(brightness, shape),), State.PRESENT) for shape in ((8, 12), (8, 16)))
    expected, verdict = judged(model, piece(known), piece(other))
    assert words(expected)[0] in ("PASS", "FAIL")
    assert words(verdict) == ("REVIEW", "IMPLAUSIBLE")
    assert (verdict.modalities[0].state, verdict.modalities[0].reason) == (
        pb.MODALITY_STATE_IMPLAUSIBLE,
        pb.MODALITY_REASON_SIZE,
    )
    assert verdict.defect_score == pytest.approx(expected.defect_score, abs=0.05)


def test_a_recipe_may_widen_a_camera_or_believe_it_always(model: Model) -> None:
    dark = piece(view(0.06))
    assert [words(judged(model, dark, top=how)[0])[0] for how in ("on", "wide", "off")] == [
        "REVIEW",
        "PASS",
        "PASS",
    ]
    assert words(judged(model, piece(view(0.0)), top="off")[0])[0] == "PASS"


@pytest.mark.parametrize("value", [0, 90, 255])
def test_a_bundle_without_limits_does_not_believe_a_picture_of_one_value(folder: Path, value: int) -> None:
    model = open_model(load(folder), EngineSettings("onnx"))
    flat = View("top", (np.full((8, 12), value, np.uint8),), State.PRESENT)
    assert words(judged(model, piece(flat))[0]) == ("REVIEW", "IMPLAUSIBLE")


@pytest.mark.parametrize("value", [0.0, 0.25])
def test_a_bundle_without_limits_does_not_believe_samples_of_one_value(folder: Path, value: float) -> None:
    model = open_model(load(folder), EngineSettings("onnx"))
    still = replace(clip(0.0), samples=np.full((16, 1), value, np.float32))
    (verdict,) = judged(model, piece(mic=still))
    assert words(verdict) == ("REVIEW", "IMPLAUSIBLE")
    assert verdict.modalities[1].reason == pb.MODALITY_REASON_LEVEL


def test_an_aborted_piece_stays_aborted(model: Model) -> None:
    (verdict,) = judged(model, piece(view(0.0), closing=CloseReason.ABORTED))
    assert words(verdict) == ("REVIEW", "ABORTED")


OTHER_CLIPS = {
    "the clip has 7 Hz, training saw 100 Hz: was the sensor's sample rate changed?": replace(
        clip(0.0), sample_rate_hz=7.0
    ),
    "the clip has 2 channel(s), training saw 1: was the sensor changed, or are its channels mixed or split?": replace(
        clip(0.0), samples=np.zeros((16, 2), np.float32)
    ),
}


@pytest.mark.parametrize("detail", OTHER_CLIPS)
def test_another_rate_or_number_of_channels_is_not_believed(model: Model, detail: str) -> None:
    good, bad = judged(model, piece(mic=OTHER_CLIPS[detail]), piece(view(0.9), OTHER_CLIPS[detail]))
    assert (words(good), words(bad)) == (("REVIEW", "IMPLAUSIBLE"), ("FAIL", "DEFECT"))
    assert (good.modalities[1].reason, good.modalities[1].detail) == (pb.MODALITY_REASON_FORMAT, detail)


def test_a_bundle_without_limits_does_not_believe_another_rate(folder: Path) -> None:
    model = open_model(load(folder), EngineSettings("onnx"))
    (verdict,) = judged(model, piece(mic=replace(clip(0.5), sample_rate_hz=7.0)))
    assert verdict.modalities[1].reason == pb.MODALITY_REASON_FORMAT


def test_what_an_expert_cannot_take_is_said_by_the_expert_where_a_sensor_is_believed_always(model: Model) -> None:
    plain = toy_recipe(model.bundle.folder)
    sensors = tuple(sensor.model_copy(update={"plausibility": "off"}) for sensor in plain.sensors)
    recipe = plain.model_copy(update={"sensors": sensors})
    judge = RoutedJudge(Recipes([recipe]), {recipe.bundle: model}, clock_ns=lambda: NOW_NS)
    (verdict,) = judge.judge([piece(mic=replace(clip(0.0), sample_rate_hz=7.0))])
    assert words(verdict) == ("REVIEW", "ENGINE")


def test_the_scout_takes_what_was_prepared_for_the_check(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    examination = Examination(model, [piece(), piece(piece_id="p2")], 16)
    monkeypatch.setattr("inspector.inference.examination.prepare_image", _never)
    monkeypatch.setattr("inspector.inference.examination.prepare_clip", _never)
    scouts = [expert for expert in model.schema.experts if expert.scout]
    for scout in scouts:
        examination.run_expert(scout, [0, 1])
    assert [set(looks) for looks in examination.expert_outputs] == [{"top-thumb", "mic-ear"}] * 2
    assert not examination.failed


def _never(*_: object) -> None:
    raise AssertionError("prepared a second time")


def test_an_expert_may_look_twice_and_sees_the_same(model: Model) -> None:
    examination = Examination(model, [piece(view(0.6))], 16)
    scout = model.schema.experts[0]
    examination.run_expert(scout, [0])
    first = examination.expert_outputs[0][scout.name].defect_logit
    examination.expert_outputs[0].clear()
    examination.run_expert(scout, [0])
    assert examination.expert_outputs[0][scout.name].defect_logit == first


def test_no_more_is_kept_than_there_is_room_for() -> None:
    kept = Kept(max_bytes=100)
    for row in range(5):
        kept.add(("top", row, 0), np.zeros(10, np.float32))
    assert len(kept) == 2
    assert kept.take(("top", 0, 0)) is not None
    assert kept.take(("top", 0, 0)) is None
    kept.add(("top", 9, 0), np.zeros(10, np.float32))
    assert len(kept) == 2
    assert KEPT_BYTES <= 2**26


def test_the_scout_watches_else_the_smallest_expert(model: Model) -> None:
    experts = model.schema.experts
    assert watcher(experts, "top") == experts[0]
    assert watcher([expert for expert in experts if not expert.scout], "top") == experts[1]
    assert watcher(experts, "nobody") is None
