"""`evaluate` decides by the service's own rules: coverage, frames, no image, recipes."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from inspector.bundle.load import load
from inspector.bundle.schema import Policy
from inspector.dataset.manifest import ImageRow, ManifestError, PieceRow, SignalRow, write_manifest
from inspector.dataset.recordings import RecordingError
from inspector.engines.engine import EngineSettings
from inspector.evaluation.recipes import most_frames, recipe_for
from inspector.evaluation.run import Examined
from inspector.inference.model import Model, open_model
from inspector.recipe.compatibility import misfits
from inspector.verdicts.words import enum_word
from protos.inspection.v1 import verdict_pb2 as pb
from tests.bundles import grey, hum, write_toy_bundle
from tests.texts import recipe_text

LOUD = 2.5


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return open_model(load(write_toy_bundle(tmp_path / "bundle")), EngineSettings())


def row(folder: Path, images: int = 1, samples: int | None = 16, name: str = "p", **more: object) -> PieceRow:
    """A good picture, and sound that is defective where there is any."""
    cv2.imwrite(str(folder / f"{name}.png"), grey(20 / 255))
    np.save(folder / f"{name}.npy", hum(LOUD, samples)[:, 0] if samples else np.zeros(0, np.float32))
    sound = SignalRow(sensor="mic", kind="audio", sample_rate_hz=100, path=f"{name}.npy")
    return PieceRow(
        piece_id=name,
        images=(ImageRow(camera="top", path=f"{name}.png"),) * images,
        signals=() if samples is None else (sound,),
        label="ok",
        split="test",
        groups={"piece": name},
        **more,  # type: ignore[arg-type]
    )


def recipe_file(folder: Path, more: str = "", camera: str = "", sensor: str = "") -> Path:
    path = folder / "cup.toml"
    path.write_text(recipe_text("elsewhere", version="3", keys=more, camera=camera, sensor=sensor))
    return path


def outcome(model: Model, folder: Path, piece: PieceRow, recipe: Path | None = None) -> tuple[str, str, str, str]:
    """Decision, reason, and the states of picture and sound."""
    chosen = recipe_for(model, [piece], recipe)
    examined = Examined(model, folder, [piece], lambda done, total: None, chosen)
    (verdict,) = examined.verdicts(model.schema.policy)
    states = [enum_word(pb.ModalityState, m.state) for m in verdict.modalities]
    reasons = [enum_word(pb.ModalityReason, m.reason) for m in verdict.modalities]
    top, mic = (f"{a} {b}".removesuffix(" UNSPECIFIED") for a, b in zip(states, reasons, strict=True))
    return enum_word(pb.Decision, verdict.decision), enum_word(pb.DecisionReason, verdict.reason), top, mic


@pytest.mark.parametrize(
    ("images", "samples", "expected"),
    [
        (1, 16, ("FAIL", "DEFECT", "PRESENT", "PRESENT")),
        (1, 99, ("FAIL", "DEFECT", "PRESENT", "PRESENT")),
        (0, 16, ("REVIEW", "NO_IMAGE", "MISSING NOT_RECEIVED", "PRESENT")),
        (1, None, ("REVIEW", "MISSING_MODALITY", "PRESENT", "MISSING NOT_RECEIVED")),
        (1, 8, ("REVIEW", "MISSING_MODALITY", "PRESENT", "MISSING COVERAGE")),
        (1, 15, ("REVIEW", "MISSING_MODALITY", "PRESENT", "MISSING COVERAGE")),
    ],
)
def test_what_is_lacking_is_missing(
    model: Model, tmp_path: Path, images: int, samples: int | None, expected: tuple[str, ...]
) -> None:
    assert outcome(model, tmp_path, row(tmp_path, images, samples)) == expected


def test_a_recording_without_samples_is_refused_by_its_name(model: Model, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"p\.npy: holds no samples"):
        outcome(model, tmp_path, row(tmp_path, samples=0))


@pytest.mark.parametrize(
    ("tables", "images", "samples", "expected"),
    [
        ({"sensor": "min_coverage = 0.5"}, 1, 8, ("FAIL", "DEFECT", "PRESENT", "PRESENT")),
        ({"sensor": "min_coverage = 0.5"}, 1, 7, ("REVIEW", "MISSING_MODALITY", "PRESENT", "MISSING COVERAGE")),
        ({"sensor": "required = false"}, 1, None, ("PASS", "GOOD", "PRESENT", "MISSING NOT_RECEIVED")),
        ({"camera": "num_frames = 2"}, 1, 16, ("FAIL", "DEFECT", "MISSING COVERAGE", "PRESENT")),
        ({"camera": "num_frames = 2"}, 3, 16, ("FAIL", "DEFECT", "PRESENT", "PRESENT")),
        ({"more": "fail_above = 1.0"}, 1, 16, ("REVIEW", "UNCERTAIN", "PRESENT", "PRESENT")),
        ({"sensor": 'anchor = "top"'}, 0, 16, ("REVIEW", "NO_IMAGE", "MISSING NOT_RECEIVED", "MISSING NO_ANCHOR")),
    ],
)
def test_the_recipe_decides(
    model: Model,
    tmp_path: Path,
    tables: dict[str, str],
    images: int,
    samples: int | None,
    expected: tuple[str, ...],
) -> None:
    recipe = recipe_file(tmp_path, **tables)
    assert outcome(model, tmp_path, row(tmp_path, images, samples), recipe) == expected


def test_a_sensor_that_is_removed_is_missing_though_it_was_not_believed(model: Model, tmp_path: Path) -> None:
    recipe = recipe_for(model, [], recipe_file(tmp_path, sensor="required = false"))
    piece = row(tmp_path)
    np.save(tmp_path / "p.npy", np.full(16, 0.5, np.float32))
    examined = Examined(model, tmp_path, [piece], lambda done, total: None, recipe)
    (whole,), (removed,) = (examined.verdicts(model.schema.policy, name) for name in (None, "mic"))
    assert (whole.decision, whole.reason) == (pb.DECISION_REVIEW, pb.DECISION_REASON_IMPLAUSIBLE)
    assert (removed.decision, removed.modalities[1].state) == (pb.DECISION_PASS, pb.MODALITY_STATE_MISSING)


def test_a_product_that_no_recipe_names_has_none(model: Model, tmp_path: Path) -> None:
    recipe = recipe_file(tmp_path, 'product = "cup"')
    assert outcome(model, tmp_path, row(tmp_path), recipe)[:2] == ("FAIL", "DEFECT")
    chosen = recipe_for(model, [], recipe)
    examined = Examined(model, tmp_path, [row(tmp_path, product="jug")], lambda done, total: None, chosen)
    assert examined.verdicts(Policy(mode="dense"))[0].reason == pb.DECISION_REASON_NO_RECIPE


def test_without_a_recipe_all_is_required_and_whole(model: Model, tmp_path: Path) -> None:
    rows = [row(tmp_path, 2, name="a"), row(tmp_path, 1, name="b")]
    recipe = recipe_for(model, rows, None)
    assert not misfits(recipe, model.schema)
    assert recipe.required == {"top", "mic"}
    assert [camera.num_frames for camera in recipe.cameras] == [2]
    assert most_frames(rows) == {"top": 2}
    examined = Examined(model, tmp_path, rows, lambda done, total: None, recipe)
    assert [examined.present(0), examined.present(1)] == [{"top", "mic"}, {"mic"}]


def test_a_recording_of_another_form_is_refused_with_its_piece(model: Model, tmp_path: Path) -> None:
    piece = row(tmp_path)
    other = piece.signals[0].model_copy(update={"sample_rate_hz": 50.0})
    with pytest.raises(ManifestError, match="piece p: sensor mic: 50 Hz, expected 100 Hz"):
        outcome(model, tmp_path, piece.model_copy(update={"signals": (other,)}))


@pytest.mark.train
def test_the_command_writes_what_the_service_would_say(tmp_path: Path) -> None:
    cli = pytest.importorskip("inspector.cli.evaluating", reason="needs the training half")
    bundle = write_toy_bundle(tmp_path / "bundle")
    rows = [row(tmp_path, images, 16, f"t{images}") for images in (1, 0)]
    rows += [row(tmp_path, name=f"c{n}") for n in range(4)]
    rows = [
        piece.model_copy(
            update={"label": "ok" if index % 2 else "nok", "split": "calibration" if index > 1 else "test"}
        )
        for index, piece in enumerate(rows)
    ]
    write_manifest(tmp_path / "m.jsonl", rows)
    words = [str(bundle), str(tmp_path / "m.jsonl"), "--pieces", str(tmp_path / "p.jsonl")]
    result = CliRunner().invoke(cli.evaluate, [*words, "--recipe", str(recipe_file(tmp_path))])
    assert result.exit_code == 0, result.output
    assert "by recipe cup 3" in result.output
    first, second = map(json.loads, (tmp_path / "p.jsonl").read_text().splitlines())
    assert (first["decision"], first["reason"]) == ("FAIL", "DEFECT")
    assert first["states"] == {"top": "PRESENT", "mic": "PRESENT"}
    assert (second["decision"], second["reason"], second["score"]) == ("REVIEW", "NO_IMAGE", None)
    assert second["states"] == {"top": "MISSING NOT_RECEIVED", "mic": "PRESENT"}
    (tmp_path / "cup.toml").write_text("name = 1")
    result = CliRunner().invoke(cli.evaluate, [*words, "--recipe", str(tmp_path / "cup.toml")])
    assert result.exit_code == 1
    assert "problem(s)" in result.output
