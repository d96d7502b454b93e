"""From good pieces alone to a bundle that serving loads, by the command that people call."""

import json
from typing import NamedTuple

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from fusion.head import Member
from inspector.bundle.load import load
from inspector.cli import main
from inspector.dataset.labels import modalities_of
from inspector.dataset.manifest import ImageRow, ManifestError, PieceRow, SignalRow, read_manifest, write_manifest
from inspector.engines.engine import EngineSettings
from inspector.evaluation.evaluate import evaluate
from inspector.inference.model import open_model
from inspector.training.good_only.fit import good_recordings
from inspector.training.good_only.good_pieces import GoodOptions, good_pieces
from inspector.training.good_only.limits import calibrations, fused, noisy_or_head
from tests.benchmarks.evidence.cold_start import COUNTS, measure

pytestmark = pytest.mark.train
SPLITS = ("train",) * 160 + ("calibration",) * 20 + ("test",) * 60


def write_dataset(folder, splits=SPLITS, rate_hz=lambda number: 10):
    """A bright square is a dent, a step in the trace a rattle; a third of the pieces has one of them."""
    rng = np.random.default_rng(0)
    rows = []
    for number, split in enumerate(splits):
        bad = number % 3 == 0
        image = rng.integers(80, 120, (24, 24)).astype(np.uint8)
        image[8:14, 8:14] += np.uint8(120 * (bad and number % 2 == 0))
        trace = rng.normal(0, 1, 64).astype(np.float32)
        trace[32:] += 4 * (bad and number % 2 == 1)
        cv2.imwrite(str(folder / f"{number}.png"), image)
        np.save(folder / f"{number}.npy", trace)
        rows.append(
            PieceRow(
                piece_id=str(number),
                images=(ImageRow(camera="top", path=f"{number}.png"),),
                signals=(
                    SignalRow(sensor="sensor", kind="trace", sample_rate_hz=rate_hz(number), path=f"{number}.npy"),
                ),
                label="nok" if bad else "ok",
                split=split,
                groups={"piece": str(number)},
            )
        )
    write_manifest(folder / "manifest.jsonl", rows)
    return folder / "manifest.jsonl"


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("line"))


@pytest.fixture(scope="module")
def fitted(manifest):
    bundle = manifest.parent / "cold"
    result = CliRunner().invoke(
        main,
        ["--log-level", "error", "fit", str(manifest), "--good-only", "--pieces", "50", "--out", str(bundle),
         "--report", str(manifest.parent / "fit.json")],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    return bundle


def test_the_bundle_loads_and_says_that_it_knows_no_defect(fitted):
    schema = open_model(load(fitted), EngineSettings("onnx")).schema
    assert schema.policy.mode == "dense"
    assert schema.classes == ()
    assert schema.provenance["defects_known"] == 0
    assert schema.provenance["good_pieces"] == 50
    assert len(schema.calibrations) == 3
    card = (fitted / "model_card.md").read_text(encoding="utf-8")
    assert "has not seen any defect" in card
    assert "| top | 50 | 50 | places of the picture, described by fixed filters" in card
    assert "| sensor | 50 | 50 | the course of the trace |" in card


def test_good_pieces_pass_defective_ones_are_reviewed_and_nothing_fails(fitted, manifest):
    report = evaluate(fitted, manifest, "test", 0.05, lambda stage, done, total: None).report
    dense = report.decisions["dense"]
    assert dense.failed == 0
    assert dense.passed >= 30, "of 40 good pieces"
    assert len(dense.escapes) <= 2, "of 20 defective pieces"


def test_only_good_pieces_of_the_split_are_drawn_and_by_the_seed(manifest):
    drawn, again, other = (good_pieces(manifest, GoodOptions(pieces=30, seed=seed)) for seed in (1, 1, 2))
    assert {(row.label, row.split) for row in drawn} == {("ok", "train")}
    assert drawn == again != other
    assert len(good_pieces(manifest, GoodOptions(any_split=True))) == 160


def test_recordings_come_before_their_repetitions(manifest, tmp_path):
    rows = good_pieces(manifest, GoodOptions(pieces=20))
    twice = [row.model_copy(update={"piece_id": f"{row.piece_id}-{turn}"}) for row in rows for turn in range(5)]
    write_manifest(tmp_path / "manifest.jsonl", twice)
    drawn = good_pieces(tmp_path / "manifest.jsonl", GoodOptions(pieces=20))
    assert len({row.images[0].path for row in drawn}) == 20


def test_one_lot_alone_is_told_apart_by_recording(manifest):
    rows = good_pieces(manifest, GoodOptions(pieces=12))
    lot = [row.model_copy(update={"groups": {"lot": "7"}}) for row in rows]
    modality = camera_of(rows)
    assert len(set(good_recordings(manifest.parent, lot, modality).groups)) == 12


def camera_of(rows):
    return modalities_of(rows)[0]


class Named(NamedTuple):
    name: str


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_the_share_of_good_pieces_that_pass_is_as_asked_for_every_set(share):
    torch.manual_seed(0)
    held = torch.randn(200, 2)
    held[::4, 1] = torch.nan
    head = noisy_or_head([Member("top", 4), Member("sensor", 1)])
    by_set = calibrations([Named("a"), Named("b")], head, held, share)  # type: ignore[list-item]  # only the names are read
    ran = {("a",): [1.0, 0.0], ("b",): [0.0, 1.0], ("a", "b"): [1.0, 1.0]}
    assert {calibration.experts for calibration in by_set} == set(ran)
    for calibration in by_set:
        seen = torch.tensor(ran[calibration.experts])
        able = held[~held[:, seen > 0].isnan().any(1)].nan_to_num() * seen
        with torch.no_grad():
            scores = torch.sigmoid(fused(head, able, seen))
        assert float((scores < calibration.pass_below).float().mean()) == pytest.approx(share, abs=0.01)
        assert calibration.fail_above == 1.0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--pieces", "9"], ("9 good pieces with a recording", "at least 10", "--pieces")),
        (["--weights", "resnet18"], ("NAME=FILE",)),
        (["--weights", f"resnet18={__file__}"], ("network resnet18", "safetensors file")),
        (["--weights", f"no_such_net={__file__}"], ("no_such_net", "timm has no model of this name")),
        (["--weights", "a=b", "--pretrained", "c"], ("one of them",)),
    ],
)
def test_what_cannot_be_fitted_is_refused_with_a_remedy(manifest, options, words):
    result = CliRunner().invoke(main, ["fit", str(manifest), "--good-only", "--out", "nowhere", *options])
    assert result.exit_code != 0
    assert all(word in result.output for word in words), result.output


def test_the_report_is_a_page_too_with_the_most_unusual_good_pieces(fitted):
    page = (fitted.parent / "fit.html").read_text()
    assert "50 good pieces, each compared with the recordings of other groups." in page
    assert "Worst REVIEW" in page
    assert "data:image/" in page
    assert "nan" not in page.lower().replace("finance", "")
    assert json.loads((fitted.parent / "fit.json").read_text())["findings"] == []


def test_without_the_flag_the_other_command_is_named(manifest):
    result = CliRunner().invoke(main, ["fit", str(manifest), "--out", "nowhere"])
    assert result.exit_code == 2
    assert "inspector train" in result.output


def test_a_sensor_of_two_rates_is_refused(tmp_path):
    manifest = write_dataset(tmp_path, SPLITS[:40], lambda number: 10 + number % 2)
    result = CliRunner().invoke(main, ["fit", str(manifest), "--good-only", "--out", str(tmp_path / "cold")])
    assert result.exit_code == 1
    assert "has 11 Hz, 13 others of sensor sensor have 10 Hz: resample it" in " ".join(result.output.split())


def test_pieces_without_any_recording_are_no_good_pieces(manifest, tmp_path):
    rows = good_pieces(manifest, GoodOptions(pieces=20))
    bare = [row.model_copy(update={"images": (), "signals": ()}) for row in rows]
    write_manifest(tmp_path / "manifest.jsonl", bare)
    with pytest.raises(ManifestError, match="0 good pieces with a recording in split train"):
        good_pieces(tmp_path / "manifest.jsonl", GoodOptions())


def test_a_camera_with_few_images_is_refused(manifest):
    rows = good_pieces(manifest, GoodOptions(pieces=20))
    bare = [row.model_copy(update={"images": ()}) for row in rows[:15]] + rows[15:]
    with pytest.raises(ManifestError, match="top has 5 recordings in 20 good pieces, expected at least 10"):
        good_recordings(manifest.parent, bare, camera_of(rows))


def test_the_table_measures_every_number_of_pieces(manifest):
    blind = [row.model_copy(update={"images": ()}) for row in read_manifest(manifest)]
    write_manifest(manifest.with_name("sensor.jsonl"), blind)
    points = measure(manifest.with_name("sensor.jsonl"), None)
    assert tuple(points) == COUNTS
    assert points[100].recordings == (100,)
    assert points[100].modality_auc[0] == points[100].fused
    assert 0.6 < points[100].fused < 0.9, "half of the defects are not in the trace"
