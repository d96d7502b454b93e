"""What `inspector evaluate --card` puts into the model card of a bundle whose scores can be worked out by hand."""

import hashlib
import json
from datetime import date
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from inspector.bundle.load import load
from inspector.bundle.schema import Certificate, Claim
from inspector.dataset.manifest import ImageRow, PieceRow, SignalRow, Split, write_manifest
from tests.bundles import grey, hum, write_toy_bundle

cli = pytest.importorskip("inspector.cli.evaluating", reason="needs the training half")
evaluation = pytest.importorskip("inspector.evaluation.evaluate", reason="needs the training half")
measured = pytest.importorskip("inspector.evaluation.measured", reason="needs the training half")

pytestmark = pytest.mark.train
KINDS = {"good": (0.1, 0.0), "seen": (0.9, 0.0), "heard": (0.1, 2.5), "both": (0.9, 2.5)}
"""Mean of the image and of the samples: the toy's experts say -3.2, 3.2 (scout), -6.4, 6.4 (full), -4 and 16 (ear)."""


@pytest.fixture
def line(tmp_path: Path) -> Path:
    """For every split four pieces of each kind, test first."""
    rows = [
        _write(tmp_path, split, index, kind)
        for split in ("test", "calibration", "train")
        for index, kind in enumerate([*KINDS] * 4)
    ]
    write_manifest(tmp_path / "manifest.jsonl", rows)
    return tmp_path / "manifest.jsonl"


def _write(folder: Path, split: Split, index: int, kind: str) -> PieceRow:
    name, (mean, level) = f"{split}-{index}", KINDS[kind]
    cv2.imwrite(str(folder / f"{name}.png"), grey(mean, (8, 8)))
    np.save(folder / f"{name}.npy", hum(level))
    return PieceRow(
        piece_id=name,
        images=(ImageRow(camera="top", path=f"{name}.png"),),
        signals=(SignalRow(sensor="mic", kind="audio", sample_rate_hz=100, path=f"{name}.npy"),),
        label="ok" if kind == "good" else "nok",
        split=split,
        groups={"image": name, "signal": name},
    )


def evaluate(bundle: Path, line: Path, *arguments: str) -> str:
    result = CliRunner().invoke(cli.evaluate, [str(bundle), str(line), "--card", *arguments])
    assert result.exit_code == 0, result.output
    return load(bundle).model_card


def row(card: str, name: str) -> list[str]:
    """Cells of the one line of a table that begins so."""
    (table_line,) = [line for line in card.splitlines() if line.startswith(f"| {name} |")]
    return [cell.strip() for cell in table_line.strip("|").split("|")][1:]


def test_the_card_says_what_was_measured_on_what(tmp_path: Path, line: Path) -> None:
    card = evaluate(write_toy_bundle(tmp_path / "bundle"), line)
    digest = hashlib.sha256(line.read_bytes()).hexdigest()
    assert card.startswith("# Toy\n\n## Measured\n\nBy `inspector evaluate --card` of inspector ")
    assert f"split test of `{line.parent.name}/manifest.jsonl` (SHA-256 of the file {digest})" in card
    assert str(line.parent) not in card
    assert "16 pieces, 12 defective; independent recordings: 16 by image, 16 by signal." in card
    assert "no test" not in card


def test_the_card_has_the_figures_of_fusion_and_of_each_modality(tmp_path: Path, line: Path) -> None:
    card = evaluate(write_toy_bundle(tmp_path / "bundle"), line)
    for name in ("fused", "routed", "noisy-or"):
        assert row(card, name)[:2] == ["1.000 [1.000, 1.000]"] * 2
    # Each modality alone misses 4 of 16 pieces: accuracy 12 / 16, area (8 + 4 / 2) / 12.
    for name in ("top alone", "mic alone"):
        accuracy, area, _ = row(card, name)
        assert (accuracy[:5], area[:5]) == ("0.750", "0.833")


def test_nothing_passes_without_a_modality_and_the_card_says_so(tmp_path: Path, line: Path) -> None:
    card = evaluate(write_toy_bundle(tmp_path / "bundle"), line)
    cells = {removed: [cell.split(" ")[0] for cell in row(card, removed)] for removed in ("nothing", "top", "mic")}
    assert cells["nothing"] == ["1.000", "1.000", "0.000", "0.000", "4"]
    assert cells["top"] == ["1.000", "0.000", "0.000", "1.000", "0"], "REVIEW NO_IMAGE, as the service says"
    assert cells["mic"] == ["1.000", "0.667", "0.000", "0.500", "0"]
    assert "Promised about misses: no certificate." in card


def test_measuring_twice_gives_one_section_with_the_last_figures(tmp_path: Path, line: Path) -> None:
    bundle = write_toy_bundle(tmp_path / "bundle")
    evaluate(bundle, line)
    card = evaluate(bundle, line, "--split", "calibration", "--explanations")
    assert card.count("\n## ") == card.count("By `inspector evaluate") == 1
    assert "split calibration of" in card
    assert "This is no test" in card
    assert card.count("### Contributions per modality") == 1


def test_without_the_option_a_bundle_is_left_alone(tmp_path: Path, line: Path) -> None:
    bundle = write_toy_bundle(tmp_path / "bundle")
    before = {path.name: path.read_bytes() for path in bundle.iterdir()}
    result = CliRunner().invoke(cli.evaluate, [str(bundle), str(line), "--report", str(tmp_path / "report")])
    assert result.exit_code == 0
    assert {path.name: path.read_bytes() for path in bundle.iterdir()} == before
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["certainty"]["fused"]["auc"] == [1, 1, 1]
    assert report["outcomes"]["top"]["passed"] == 0
    shares = report["dominance"]["modalities"]
    assert sum(share["gate"] for share in shares.values()) == pytest.approx(1)
    whole = sum(share["alone"] for share in shares.values()) + report["dominance"]["several"]
    assert whole + report["dominance"]["none"] == pytest.approx(1)
    assert "## What one modality alone decides" in (tmp_path / "report" / "report.md").read_text()


@pytest.mark.parametrize(("pass_below", "missed"), [(0.001, "0 of 12"), (0.9, "0 of 12"), (0.997, "4 of 12")])
def test_a_promise_stands_next_to_what_was_observed(tmp_path: Path, line: Path, pass_below: float, missed: str) -> None:
    claim = Claim(miss_rate=0.2, pass_below=pass_below, num_misses=0, good_held=0.1)
    certificate = Certificate(
        miss_rate=0.2, confidence=0.95, num_defects=20, claim=claim, nearest=claim, needs=0, sure_below=0.5
    )
    bundle = write_toy_bundle(tmp_path / "bundle")
    report = evaluation.evaluate(bundle, line, "test", 0.05, lambda stage, done, total: None).report
    schema = load(bundle).schema
    text = measured.measured("From here.", report, schema.model_copy(update={"certificate": certificate}), None)
    assert "Promised about misses: certified: at most 20 %" in text
    assert f"Observed here: {missed} defective pieces" in text
    assert "Observed here" not in measured.measured("From here.", report, schema, None)


def test_what_routing_leaves_out_is_told_by_the_stated_costs(tmp_path: Path, line: Path) -> None:
    card = evaluate(write_toy_bundle(tmp_path / "bundle"), line)
    # Of 16 pieces, each 0.1 + 1.0 + 0.2 ms, the scouts doubt the four that are seen only: 12 spare the full expert.
    assert f"Routing leaves out {12 * 1.0 / (16 * 1.3):.1%} of what all experts would cost" in card


def test_an_origin_names_no_folder_above_the_manifest_s(tmp_path: Path) -> None:
    (tmp_path / "line").mkdir()
    manifest = tmp_path / "line" / "manifest.jsonl"
    manifest.write_text("{}")
    sentence = measured.origin("inspector evaluate", manifest, "test", date(2026, 1, 31))
    assert "on 2026-01-31: split test of `line/manifest.jsonl`" in sentence
    assert str(tmp_path) not in sentence


def test_the_card_says_what_the_limits_promise_and_what_was_observed(tmp_path: Path, line: Path) -> None:
    bundle = tmp_path / "bundle"
    write_toy_bundle(bundle)
    without = evaluate(bundle, line)
    content = json.loads((bundle / "bundle.json").read_bytes())
    known = {
        "target_rate": 0.02,
        "confidence": 0.95,
        "num_pieces": 23,
        "beyond": 0.0,
        "observed_limit": 0.7,
        "method": "tail",
    }
    for calibration in content["calibrations"]:
        calibration["fail_evidence"] = {"rate": 0.02, **known}
        calibration["pass_evidence"] = {"rate": 0.05, **known}
    (bundle / "bundle.json").write_text(json.dumps(content))
    card = evaluate(bundle, line)
    assert "Promised about good pieces" not in without
    assert (
        "- Promised about good pieces: at most 2.0% FAIL, at 95% confidence by 23 independent ones. "
        "Observed here: 0 of 4 (0.0%)." in card
    )
    assert "- Promised about defective pieces: at most 5.0% PASS, at 95% confidence" in card
