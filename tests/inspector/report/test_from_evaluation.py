"""The report of a bundle whose scores can be worked out by hand."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from inspector.cli import main
from inspector.dataset.manifest import ImageRow, Label, PieceRow, SignalRow, Split, write_manifest
from inspector.evaluation.evaluate import evaluate
from inspector.evaluation.evaluated import Evaluated
from inspector.report.from_evaluation import evaluation_content
from tests.bundles import grey, hum, write_toy_bundle
from tests.inspector.report.reader import read

KINDS: dict[str, tuple[float, float, Label]] = {
    "good": (0.1, 0.0, "ok"),
    "bright": (0.9, 0.0, "ok"),
    "seen": (0.9, 0.0, "nok"),
    "hidden": (0.1, 0.0, "nok"),
}
"""Mean of the image and of the samples. A bright good piece fails, a hidden defect passes."""


def write_line(folder: Path) -> Path:
    rows = [
        _write(folder, split, index, kind)
        for split in ("test", "calibration")
        for index, kind in enumerate([*["good"] * 4, "bright", *["seen"] * 4, "hidden"])
    ]
    write_manifest(folder / "manifest.jsonl", rows)
    return folder / "manifest.jsonl"


def _write(folder: Path, split: Split, index: int, kind: str) -> PieceRow:
    name, (mean, level, label) = f"{split}-{index}-{kind}", KINDS[kind]
    cv2.imwrite(str(folder / f"{name}.png"), grey(mean, (8, 8)))
    np.save(folder / f"{name}.npy", hum(level))
    return PieceRow(
        piece_id=name,
        images=(ImageRow(camera="top", path=f"{name}.png"),),
        signals=(SignalRow(sensor="mic", kind="audio", sample_rate_hz=100, path=f"{name}.npy"),),
        label=label,
        defects=("scratch",) if label == "nok" else (),
        split=split,
        groups={"image": name, "signal": name},
    )


@pytest.fixture(scope="module")
def told() -> list[tuple[str, int, int]]:
    """What the progress of the evaluation reported."""
    return []


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory, told: list[tuple[str, int, int]]) -> Evaluated:
    folder = tmp_path_factory.mktemp("evaluate")
    bundle = write_toy_bundle(folder / "bundle")
    return evaluate(bundle, write_line(folder), "test", 0.05, lambda *step: told.append(step))


def test_mistakes_come_with_pictures_evidence_and_the_reason(complete: Evaluated) -> None:
    content = evaluation_content(complete)
    assert sorted(content.shown) == ["test-4-bright", "test-9-hidden"]
    bright = content.shown["test-4-bright"]
    assert bright.piece.views["top"].images[0].shape == (8, 8)
    assert bright.verdict.images[0].heat_map_png
    assert bright.images == {"top": 0}
    assert content.shown["test-9-hidden"].verdict.images[0].heat_map_png


def test_curves_have_the_areas_of_the_report_and_the_limits_of_the_bundle(complete: Evaluated) -> None:
    content = evaluation_content(complete)
    assert [curve.name for curve in content.curves] == ["routed", "fused", "noisy-or", "top alone", "mic alone"]
    assert {curve.name: curve.area for curve in content.curves} == {
        name: sure.auc for name, sure in complete.report.certainty.items()
    }
    limits = {curve.name: curve.limits for curve in content.curves}
    assert limits["routed"] == limits["top alone"] == content.limits == (0.3, 0.7)
    assert limits["noisy-or"] is None


def test_classes_are_those_of_the_report(complete: Evaluated) -> None:
    classes = evaluation_content(complete).classes
    assert classes is not None
    assert (classes.classes, classes.confusion) == (complete.report.classes, complete.report.confusion)
    assert "scratch" in [each.name for each in classes.classes]


def test_progress_counts_files_pieces_decisions_and_the_whole(
    complete: Evaluated, told: list[tuple[str, int, int]]
) -> None:
    stages = list(dict.fromkeys(stage for stage, _, _ in told))
    assert stages == [
        "files", "in all", "reading test", "test", "reading calibration", "calibration", "decisions",
    ]  # fmt: skip
    assert all(told.count(step) == 1 for step in told)
    assert [step for step in told if step[0] == "files"] == [("files", n, 40) for n in range(1, 41)]
    assert [step[1:] for step in told if step[0] == "in all"] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    last = {stage: (done, total) for stage, done, total in told}
    assert all(done == total for done, total in last.values())


def test_the_calibration_split_is_examined_once(tmp_path: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    bundle, manifest = write_toy_bundle(tmp_path / "bundle"), write_line(tmp_path)
    complete = evaluate(bundle, manifest, "calibration", 0.05, lambda *step: steps.append(step))
    assert steps.count(("calibration", 10, 10)) == 1
    assert "This is no test" in evaluation_content(complete).about[-1]


def test_the_command_writes_the_page(tmp_path: Path) -> None:
    bundle, manifest = write_toy_bundle(tmp_path / "bundle"), write_line(tmp_path)
    result = CliRunner().invoke(main, ["evaluate", str(bundle), str(manifest), "--report", str(tmp_path / "report")])
    assert result.exit_code == 0, result.output
    assert "to look at in a browser" in result.output
    reader = read((tmp_path / "report" / "report.html").read_text(encoding="utf-8"))
    assert len(reader.named("article")) == 2
    assert "toy 1 on split test" in reader.texts
    assert str(tmp_path) not in "".join(reader.texts)
