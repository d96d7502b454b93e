"""Warnings by the commands that people call: on the screen, in the report, in the card; exit code 3 under --strict."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from inspector.cli import main
from inspector.dataset.manifest import PieceRow, read_manifest, write_manifest
from tests.inspector.training.small_dataset import NUM_SAMPLES, write_small_dataset

pytestmark = pytest.mark.train

CONFIG = """
token_dim = 8
num_folds = 3
policy = "dense"
refit = "never"
head = { max_steps = 0, num_folds = 2 }
[[experts]]
type = "image"
name = "top-rings"
modality = "top"
scout = true
encoder = "rings"
readout = "kernel"
height_px = 48
width_px = 48
interpolation = "nearest"
[[experts]]
type = "signal"
name = "mic-profile"
modality = "mic"
encoder = "trace_profile"
scaling = "none"
"""


def call(folder: Path, *arguments: object, command: str = "train") -> Result:
    config = [] if command == "fit" else ["--config", str(folder / "train.toml"), "--parity-pieces", "4"]
    (folder / "train.toml").write_text(CONFIG)
    manifest, out = (
        folder / "manifest.jsonl",
        ["--out", str(folder / "bundle"), "--report", str(folder / "report.json")],
    )
    return CliRunner().invoke(main, [command, str(manifest), *out, *config, *map(str, arguments)])


def kinds(folder: Path) -> set[str]:
    return {warning["kind"] for warning in json.loads((folder / "report.json").read_text())["warnings"]}


def rewrite(folder: Path, **change: object) -> None:
    path = folder / "manifest.jsonl"
    write_manifest(path, [PieceRow.model_validate({**row.model_dump(), **change}) for row in read_manifest(path)])


def write_traces(folder: Path, step: float) -> None:
    """Noise, with a step where the sound is labelled nok; without one, no trace tells anything."""
    rng = np.random.default_rng(2)  # the noise of seed 0 ranks the 11 defects at .80
    for row in read_manifest(folder / "manifest.jsonl"):
        for signal in row.signals:
            trace = rng.normal(0, 1, NUM_SAMPLES).astype(np.float32)
            trace[NUM_SAMPLES // 2 :] += step * (row.modality_labels["signal"] == "nok")
            np.save(folder / signal.path, trace)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_small_dataset(tmp_path, num_test=24)  # enough parts of each label: no warning
    write_traces(tmp_path, step=8)
    return tmp_path


def test_warnings_are_on_the_screen_in_the_report_and_in_the_card(folder: Path) -> None:
    write_traces(folder, step=0)
    result = call(folder)
    assert result.exit_code == 0, result.output
    card = (folder / "bundle" / "model_card.md").read_text()
    (text,) = [
        warning["text"]
        for warning in json.loads((folder / "report.json").read_text())["warnings"]
        if "expert mic-profile" in warning["text"]
    ]
    assert "chance" in text
    assert "warning(s):" in result.output
    assert f"- chance: {text}" in result.output
    assert "## Warnings of the training" in card
    assert f"- **chance**: {text}" in card
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert all(part in page for part in ("Picture of top of piece", "Trace of mic of piece", "Choices of the training"))


def test_under_strict_a_warning_of_the_fit_leaves_an_old_bundle_alone(folder: Path) -> None:
    write_traces(folder, step=0)
    (folder / "bundle").mkdir()
    (folder / "bundle" / "bundle.json").write_text("old")
    result = call(folder, "--strict", "--checkpoint", folder / "checkpoint")
    assert result.exit_code == 3, result.output
    assert "mic-profile" in result.output
    assert "nothing is written: --strict allows no warning" in result.output
    assert (folder / "bundle" / "bundle.json").read_text() == "old"
    assert not (folder / "checkpoint").exists()
    assert "chance" in kinds(folder)


def test_under_strict_a_warning_of_the_data_comes_before_any_fit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspector.training.trainer.Trainer.cross_validate", None)
    rewrite(folder, modality_labels={})
    result = call(folder, "--strict")
    assert result.exit_code == 3, result.output
    assert "have no label for top alone" in result.output
    assert "have no label for mic alone" in result.output
    assert kinds(folder) == {"labels"}
    assert not (folder / "bundle").exists()


def test_without_a_warning_strict_changes_nothing(folder: Path) -> None:
    result = call(folder, "--strict")
    assert result.exit_code == 0, result.output
    assert "warning(s)" not in result.output
    assert json.loads((folder / "report.json").read_text())["warnings"] == []
    assert "Warnings of the training" not in (folder / "bundle" / "model_card.md").read_text()


def test_without_any_label_training_says_so_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspector.training.trainer.Trainer.cross_validate", None)
    rewrite(folder, label="unknown", modality_labels={})
    result = call(folder)
    assert result.exit_code == 1
    assert "split train needs pieces labelled ok and nok, it has 48 pieces, 0 labelled ok and 0" in result.output


def test_weights_that_no_expert_uses_are_refused_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspector.training.trainer.Trainer.cross_validate", None)
    result = call(folder, "--weights", f"resnet18={folder / 'manifest.jsonl'}")
    assert result.exit_code == 1
    assert "no expert of this run uses resnet18" in result.output


def test_two_files_for_one_network_are_refused(folder: Path) -> None:
    file = folder / "manifest.jsonl"
    result = call(folder, "--weights", f"resnet18={file}", "--weights", f"resnet18={folder / 'train.toml'}")
    assert result.exit_code == 2
    assert "resnet18 is given two files" in result.output


def test_a_cold_start_is_strict_too(folder: Path) -> None:
    rows = [row for row in read_manifest(folder / "manifest.jsonl") if row.label == "ok"]
    (folder / rows[0].images[0].path).write_bytes((folder / rows[1].images[0].path).read_bytes())
    result = call(folder, "--good-only", "--strict", command="fit")
    assert result.exit_code == 3, result.output
    assert kinds(folder) == {"recordings"}
    assert not (folder / "bundle").exists()
    assert call(folder, "--good-only", command="fit").exit_code == 0
    assert "in several groups" in (folder / "bundle" / "model_card.md").read_text()
