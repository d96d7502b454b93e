"""A verdict's probabilities are calibrated; scores without a calibration are named raw."""

import json
import math
from pathlib import Path

import pytest

from fusion.calibration import probability
from inspector.bundle.load import BundleError, load
from inspector.bundle.schema import Platt, Policy
from protos.inspection.v1 import verdict_pb2 as pb
from tests.bundles import Toy, clip, piece, view, write_toy_bundle
from tests.inspector.judging.test_routed_judge import GREY, MISSING_CLIP, Bench

SIGMOID, OTHER = Platt(temperature=2.0, bias=-0.5), Platt(temperature=0.5, bias=1.0)
DENSE = Policy(mode="dense")


def judged(folder: Path, **toy: object) -> pb.Verdict:
    return Bench(folder, Toy(policy=DENSE, **toy)).one(piece(view(GREY), clip(0.2)))  # type: ignore[arg-type]


def figures(verdict: pb.Verdict) -> dict[str, dict[str, float]]:
    """Figures that are there, by modality and by class."""
    parts: list[pb.Modality | pb.ClassProbability] = [*verdict.modalities, *verdict.classes]
    names = ("defect_score", "raw_defect_score", "probability", "raw_score")
    return {
        part.name: {field.name: value for field, value in part.ListFields() if field.name in names} for part in parts
    }


def logit(raw: float) -> float:
    return math.log(raw / (1 - raw))


def test_without_calibration_every_figure_is_raw(tmp_path: Path) -> None:
    by_modality = figures(judged(tmp_path))
    assert {name: set(names) for name, names in by_modality.items()} == {
        "top": {"raw_defect_score"},
        "mic": {"raw_defect_score"},
        "scratch": {"raw_score"},
        "rattle": {"raw_score"},
    }


def test_a_calibrated_expert_says_a_probability_of_its_modality(tmp_path: Path) -> None:
    raw = figures(judged(tmp_path / "raw"))
    by_modality = figures(judged(tmp_path / "own", expert_calibrations={"top-full": SIGMOID, "top-thumb": OTHER}))
    expected = probability(logit(raw["top"]["raw_defect_score"]), SIGMOID.temperature, SIGMOID.bias)
    assert by_modality["top"] == {"defect_score": pytest.approx(expected, rel=1e-5)}
    assert by_modality["mic"] == raw["mic"]


def test_a_calibrated_class_has_a_probability_and_the_others_are_raw(tmp_path: Path) -> None:
    raw = figures(judged(tmp_path / "raw"))
    by_modality = figures(judged(tmp_path / "own", of_classes={"rattle": SIGMOID}))
    expected = probability(logit(raw["rattle"]["raw_score"]), SIGMOID.temperature, SIGMOID.bias)
    assert by_modality["rattle"] == {"probability": pytest.approx(expected, rel=1e-5)}
    assert by_modality["scratch"] == raw["scratch"]


def test_what_was_not_examined_has_no_figure_whatever_is_calibrated(tmp_path: Path) -> None:
    toy = Toy(policy=DENSE, expert_calibrations={"mic-ear": SIGMOID}, of_classes={"rattle": SIGMOID, "scratch": OTHER})
    by_modality = figures(Bench(tmp_path, toy).one(piece(view(GREY), MISSING_CLIP)))
    assert (by_modality["mic"], by_modality["rattle"]) == ({}, {})
    assert set(by_modality["scratch"]) == {"probability"}


def test_experts_that_were_never_calibrated_together_leave_the_classes_raw(tmp_path: Path) -> None:
    every = frozenset({"top-thumb", "top-full", "mic-ear"})
    by_modality = figures(judged(tmp_path, of_classes={"rattle": SIGMOID}, uncalibrated=frozenset({every})))
    assert set(by_modality["rattle"]) == {"raw_score"}


def test_decisions_do_not_depend_on_these_calibrations(tmp_path: Path) -> None:
    bare = judged(tmp_path / "bare")
    alone = judged(
        tmp_path / "own", expert_calibrations={"top-full": OTHER, "mic-ear": OTHER}, of_classes={"rattle": OTHER}
    )
    assert (alone.decision, alone.defect_score) == (bare.decision, bare.defect_score)


def test_an_older_bundle_keeps_its_digest_and_a_class_that_it_does_not_have_is_refused(tmp_path: Path) -> None:
    path = write_toy_bundle(tmp_path) / "bundle.json"
    content = json.loads(path.read_text())
    for expert in content["experts"]:
        del expert["calibration"]
    for calibration in content["calibrations"]:
        del calibration["classes"]
    path.write_text(json.dumps(content))
    assert load(tmp_path).schema.experts[0].calibration is None
    content["calibrations"][0]["classes"] = {"dent": {"temperature": 1.0, "bias": 0.0}}
    path.write_text(json.dumps(content))
    with pytest.raises(BundleError, match=r"calibration of .*: classes names 'dent'"):
        load(tmp_path)
