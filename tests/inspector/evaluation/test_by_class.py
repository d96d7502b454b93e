"""`inspector evaluate` by defect class, with rules of a recipe, uncertain labels, and a class that counts as good."""

import json
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import pytest

from inspector.bundle.schema import ClassScale, Policy
from inspector.dataset.good_class import PROVENANCE_KEY
from inspector.dataset.manifest import ImageRow, ManifestError, PieceRow, SignalRow, Split, write_manifest
from inspector.evaluation.report import Report, page, write_report
from tests.bundles import Toy, edit_manifest, grey, hum, write_toy_bundle
from tests.texts import recipe_text

evaluation = pytest.importorskip("inspector.evaluation.evaluate", reason="needs the training half")
pytestmark = pytest.mark.train

KINDS = {"": (0.1, 0.0), "scratch": (0.9, 0.0), "rattle": (0.1, 2.5)}
SCALES = {name: ClassScale(slope=1.0, bias=0.0, parts=12, shared=False) for name in ("scratch", "rattle")}


def write_piece(folder: Path, split: Split, index: int, kind: str, good: str) -> PieceRow:
    name, (mean, level) = f"{split}-{index}", KINDS[kind]
    cv2.imwrite(str(folder / f"{name}.png"), grey(mean, (8, 8)))
    np.save(folder / f"{name}.npy", hum(level))
    defects = (kind,) if kind else (good,) if good else ()
    return PieceRow(
        piece_id=name,
        images=(ImageRow(camera="top", path=f"{name}.png"),),
        signals=(SignalRow(sensor="mic", kind="audio", sample_rate_hz=100, path=f"{name}.npy"),),
        label="nok" if defects else "ok",
        defects=defects,
        split=split,
        groups={"image": name, "signal": name},
    )


def pieces(folder: Path, good: str = "") -> list[PieceRow]:
    splits: tuple[Split, ...] = ("test", "calibration", "train")
    return [write_piece(folder, split, n, kind, good) for split in splits for n, kind in enumerate([*KINDS] * 3)]


def evaluated(folder: Path, rows: list[PieceRow], recipe: Path | None = None, good: tuple[str, ...] = ()) -> Report:
    write_manifest(folder / "manifest.jsonl", rows)
    report: Report = evaluation.evaluate(
        folder / "toy", folder / "manifest.jsonl", "test", 0.05, lambda stage, done, total: None, recipe, good
    ).report
    return report


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_toy_bundle(tmp_path / "toy", Toy(policy=Policy(mode="dense"), class_scales=SCALES))
    return tmp_path


def test_report_and_json_have_figures_by_class_and_what_was_called_what(folder: Path) -> None:
    rows = pieces(folder)
    rows[0] = rows[0].model_copy(update={"label": "unknown", "defect_probability": 0.66})
    report = evaluated(folder, rows)
    by_name = {each.name: each for each in report.classes}
    assert {name: (each.pieces, each.recall, each.escapes) for name, each in by_name.items()} == {
        "scratch": (3, 1.0, 0),
        "rattle": (3, 1.0, 0),
    }
    write_report(report, folder / "report")
    content = json.loads((folder / "report" / "report.json").read_text())
    assert content["left_out"] == {"defect_probability 0.66": 1}
    assert content["classes"][0] == {**asdict(report.classes[0]), "escaped": []}
    assert content["confusion"]["true"] == ["rattle", "scratch", "good"]
    assert "## By defect class" in page(report)
    assert "Left out, for their label is not certain: 1 pieces (defect_probability 0.66: 1)." in page(report)


RULES = """
[defects.rattle]
never_pass_above = 0.0
[defects.scratch]
decision = "review"
"""


def test_a_recipe_s_rules_decide_as_on_the_line_and_every_piece_says_which(folder: Path) -> None:
    (folder / "cup.toml").write_text(recipe_text(more=RULES))
    plain, ruled = evaluated(folder, pieces(folder)), evaluated(folder, pieces(folder), folder / "cup.toml")
    assert {piece.decision for piece in plain.pieces_routed if piece.label == "ok"} == {"PASS"}
    good = [piece for piece in ruled.pieces_routed if piece.label == "ok"]
    assert {(piece.decision, piece.class_rule) for piece in good} == {("REVIEW", "defects.rattle.never_pass_above = 0")}
    assert [piece.score for piece in ruled.pieces_routed] == [piece.score for piece in plain.pieces_routed]


def test_a_set_without_a_good_class_asks_and_follows_the_bundle_s_training(folder: Path) -> None:
    rows = pieces(folder, good="crazing")
    with pytest.raises(ManifestError, match="which class counts as good"):
        evaluated(folder, rows)
    assert evaluated(folder, rows, good=("crazing",)).defective == 6
    edit_manifest(folder / "toy", {"provenance": {PROVENANCE_KEY: '["crazing"]'}})
    assert evaluated(folder, rows).defective == 6
