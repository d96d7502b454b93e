"""From a manifest to a bundle that serving loads, by the commands that people call."""

import json

import cv2
import numpy as np
import onnxruntime as ort
import pytest
import torch
from click.testing import CliRunner

from fusion.expert_sets import expert_sets
from inspector.bundle.load import load
from inspector.cli import main
from inspector.dataset.manifest import ImageRow, PieceRow, SignalRow, write_manifest
from inspector.engines.engine import EngineSettings
from inspector.inference.model import open_model

pytestmark = [pytest.mark.train, pytest.mark.timeout(600)]

CONFIG = """
name = "toy"
token_dim = 8
[head]
max_steps = 4
check_every = 2
num_folds = 2
[[experts]]
type = "image"
name = "top-scout"
modality = "top"
scout = true
height_px = 16
width_px = 16
fitting = { batch_size = 8 }
[[experts]]
type = "image"
name = "top-full"
modality = "top"
scout = false
height_px = 24
width_px = 24
fitting = { batch_size = 8 }
[[experts]]
type = "signal"
name = "sensor-scout"
modality = "sensor"
encoder = "tcn"
fitting = { batch_size = 8 }
"""
SPLITS = ("train",) * 40 + ("calibration",) * 40 + ("test",) * 24


def write_dataset(folder):
    """A bright square is a dent, a step in the trace a rattle; every third piece lacks its trace in the test split."""
    rng = np.random.default_rng(0)
    rows = []
    for number, split in enumerate(SPLITS):
        dent, rattle = bool(rng.random() < 0.35), bool(rng.random() < 0.35)
        image = rng.integers(80, 120, (24, 24)).astype(np.uint8)
        image[8:14, 8:14] += np.uint8(120 * dent)
        trace = rng.normal(0, 1, 64).astype(np.float32)
        trace[32:] += 4 * rattle
        cv2.imwrite(str(folder / f"{number}.png"), image)
        np.save(folder / f"{number}.npy", trace)
        whole = split != "test" or number % 3
        signal = SignalRow(sensor="sensor", kind="trace", sample_rate_hz=10, path=f"{number}.npy")
        rows.append(
            PieceRow(
                piece_id=str(number),
                images=(ImageRow(camera="top", path=f"{number}.png"),),
                signals=(signal,) if whole else (),
                label="nok" if dent or (rattle and whole) else "ok",
                defects=("dent",) * dent + ("rattle",) * (rattle and bool(whole)),
                split=split,  # type: ignore[arg-type]  # one of the three
                groups={"image": f"i{number}", "signal": f"s{number}"},
                modality_labels={"image": "nok" if dent else "ok", "signal": "nok" if rattle else "ok"},
            )
        )
    write_manifest(folder / "manifest.jsonl", rows)
    return folder / "manifest.jsonl"


def run(*args):
    result = CliRunner().invoke(main, [str(arg) for arg in args])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("training")
    (folder / "data").mkdir()
    (folder / "train.toml").write_text(CONFIG)
    manifest = write_dataset(folder / "data")
    arguments = ("--config", folder / "train.toml", "--epochs", 25, "--checkpoint", folder / "checkpoint")
    run("train", manifest, "--out", folder / "bundle", *arguments)
    return folder


def test_serving_opens_what_training_wrote(trained):
    model = open_model(load(trained / "bundle"), EngineSettings("onnx", threads=1))
    assert [expert.name for expert in model.schema.experts] == ["top-scout", "top-full", "sensor-scout"]
    assert set(model.calibrations) == {frozenset(names) for names in expert_sets(model.schema.experts)}
    assert model.schema.provenance["encoders_fitted_on"] == "train"
    assert all(expert.cost_ms > 0 for expert in model.schema.experts)


def test_a_modality_shows_only_its_own_classes(trained):
    schema = load(trained / "bundle").schema
    assert schema.classes == ("dent", "rattle")
    assert {modality.name: modality.classes for modality in schema.modalities} == {
        "top": ("dent",),
        "sensor": ("rattle",),
    }


def test_no_file_of_a_bundle_names_this_machine(trained):
    for path in (trained / "bundle").iterdir():
        assert str(trained).encode() not in path.read_bytes()


def test_a_checkpoint_exports_the_same_model(trained):
    pieces = ("--parity", trained / "data" / "manifest.jsonl", "--parity-pieces", 9)
    output = run("export", trained / "checkpoint", "--out", trained / "again", *pieces)
    assert "Parity set: 9 calibration pieces, 5 of them nearest the limits." in output
    first, second = (load(trained / name).schema for name in ("bundle", "again"))
    for expert in first.experts:
        form = expert.input
        shape = (2, 1, 64) if form.type == "signal" else (2, 1, 1, form.tile_height_px, form.tile_width_px)
        probe = np.random.default_rng(1).normal(size=shape).astype(np.float32)
        one, other = (
            ort.InferenceSession(str(trained / name / expert.file)).run(None, {"input": probe})
            for name in ("bundle", "again")
        )
        assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(one, other, strict=True))
    assert first.calibrations == second.calibrations
    assert first.policy == second.policy


def test_engines_decide_as_torch_on_the_pieces_that_training_stored(trained):
    output = run("parity", trained / "bundle", "--engine", "onnx", "--engine", "openvino")
    for engine in ("onnx", "openvino"):
        assert f"{engine}/fp32: passed: 0 of 40 decisions flip" in output
    assert "The set has all 40 calibration pieces, fewer than the 300 expected" in output


def test_evaluation_finds_what_can_be_seen_and_heard(trained):
    run("evaluate", trained / "bundle", trained / "data" / "manifest.jsonl", "--report", trained / "report")
    report = json.loads((trained / "report" / "report.json").read_text())
    assert report["pieces"] == SPLITS.count("test")
    assert report["recordings"] == {"image": 24, "signal": 24}
    assert report["scores"]["fused"]["auc"] > 0.8
    for route in ("dense", "routed"):
        counts = report["decisions"][route]
        assert counts["passed"] + counts["failed"] + counts["review"] == 24
    assert report["experts_run"]["routed"] <= report["experts_run"]["dense"] == 24 * 2 + 16
    assert "| fused |" in (trained / "report" / "report.md").read_text()


def test_a_folder_with_other_files_is_not_overwritten(trained):
    result = CliRunner().invoke(main, ["export", str(trained / "checkpoint"), "--out", str(trained / "data")])
    assert result.exit_code == 1
    assert "contains files that are no bundle" in result.output
    assert (trained / "data" / "manifest.jsonl").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nmae = 'x'", "nmae = 'x': is not a known key; did you mean 'name'?"),
        ("[[experts]]\ntype = 'image'", "modality: is required; add it"),
        ("=", "is not TOML: Invalid"),
    ],
)
def test_a_wrong_configuration_is_named(trained, tmp_path, text, message):
    (tmp_path / "wrong.toml").write_text(text)
    arguments = ["--out", str(tmp_path / "bundle"), "--config", str(tmp_path / "wrong.toml")]
    result = CliRunner().invoke(main, ["train", str(trained / "data" / "manifest.jsonl"), *arguments])
    assert result.exit_code == 1
    assert message in result.output
