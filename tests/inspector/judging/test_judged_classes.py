"""A healthy recording gives the classes that it could show no weight, whatever their own log-odds say."""

from pathlib import Path

import pytest

from fusion.calibration import probability
from inspector.bundle.schema import ClassScale, Platt, Policy
from protos.inspection.v1 import verdict_pb2 as pb
from tests.bundles import Toy, clip, piece, view
from tests.inspector.judging.test_routed_judge import GREY, MISSING_CLIP, Bench

HIGH = {name: ClassScale(slope=0.01, bias=2.0, parts=12, shared=False) for name in ("scratch", "rattle")}
"""Both classes are at .88, whatever their log-odds: a healthy motor that nevertheless looks like one class."""
EAR = Platt(temperature=1.0, bias=0.0)
DENSE = Policy(mode="dense")


def scores(verdict: pb.Verdict) -> dict[str, float]:
    return {e.name: e.probability for e in verdict.classes if e.HasField("probability")}


@pytest.mark.parametrize("kind", ["calibration", "rough"])
def test_a_healthy_sound_holds_its_class_down_in_a_piece_with_a_visible_defect(tmp_path: Path, kind: str) -> None:
    known = {"expert_calibrations": {"mic-ear": EAR}} if kind == "calibration" else {"rough": {"mic-ear": EAR}}
    toy = Toy(policy=DENSE, class_scales=HIGH, **known)  # type: ignore[arg-type]
    verdict = Bench(tmp_path, toy).one(piece(view(0.9), clip(0.0)))
    healthy = probability(-4.0, 1.0, 0.0)
    assert scores(verdict)["rattle"] == pytest.approx(healthy, abs=0.001)
    assert scores(verdict)["scratch"] > 0.8
    assert list(verdict.defects) == ["scratch"]


def test_without_a_figure_of_its_recording_a_class_is_bounded_by_the_defect_score(tmp_path: Path) -> None:
    verdict = Bench(tmp_path, Toy(policy=DENSE, class_scales=HIGH)).one(piece(view(GREY), clip(0.2)))
    assert max(scores(verdict).values()) <= verdict.defect_score


def test_a_class_with_too_few_parts_has_a_raw_score_within_the_same_bounds(tmp_path: Path) -> None:
    few = {"scratch": HIGH["scratch"], "rattle": HIGH["rattle"].model_copy(update={"shared": True, "parts": 3})}
    verdict = Bench(tmp_path, Toy(policy=DENSE, class_scales=few)).one(piece(view(GREY), clip(0.2)))
    assert set(scores(verdict)) == {"scratch"}
    rattle = next(entry for entry in verdict.classes if entry.name == "rattle")
    assert 0 < rattle.raw_score <= verdict.defect_score


def test_a_class_that_nothing_could_show_has_no_figure(tmp_path: Path) -> None:
    verdict = Bench(tmp_path, Toy(policy=DENSE, class_scales=HIGH)).one(piece(view(0.9), MISSING_CLIP))
    assert set(scores(verdict)) == {"scratch"}


def test_scales_of_classes_change_no_decision_and_no_defect_score(tmp_path: Path) -> None:
    bare = Bench(tmp_path / "bare", Toy(policy=DENSE)).one(piece(view(GREY), clip(0.2)))
    scaled = Bench(tmp_path / "scaled", Toy(policy=DENSE, class_scales=HIGH)).one(piece(view(GREY), clip(0.2)))
    assert (scaled.decision, scaled.reason, scaled.defect_score) == (bare.decision, bare.reason, bare.defect_score)
