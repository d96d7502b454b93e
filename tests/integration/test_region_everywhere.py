"""A region that was trained holds in evaluation, in Python, in checkpoint and parity set, without a recipe."""

from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inspector import Inspector
from inspector.bundle.load import load
from inspector.bundle.schema import Bundle
from inspector.dataset.manifest import ImageRow, Label, ManifestError, PieceRow, Split, read_manifest, write_manifest
from inspector.engines.engine import EngineSettings
from inspector.evaluation.evaluate import evaluate
from inspector.framing.tables import CameraFraming
from inspector.recipe.recipe import Camera, Recipe
from inspector.training.checkpoint import load_checkpoint, save_checkpoint
from inspector.training.config import HeadFitting, ImageExpert, TrainConfig
from inspector.training.export import write_bundle
from inspector.training.good_only.fit import fit_good_only
from inspector.training.good_only.good_pieces import GoodOptions
from inspector.training.parity_set import Sampling, add_parity_set
from inspector.training.train import Training, train
from inspector.training.trainer import TrainOptions
from protos.inspection.v1.verdict_pb2 import Decision
from streams.embedded import EmbeddedLog
from tests.bundles import judge_of
from tests.two_ways import inspected, replayed

pytestmark = [pytest.mark.train, pytest.mark.timeout(600)]

NUM: dict[Split, int] = {"train": 24, "calibration": 16, "test": 8}
SIDE_PX = 96
TOP = Camera(name="top")
REGION = (((8.0, 8.0), (56.0, 8.0), (56.0, 88.0), (8.0, 88.0)),)
EXPERT = ImageExpert(
    name="top-full", modality="top", scout=False, encoder="test_efficientnet", readout="kernel", stages=(0, 1),
    height_px=64, width_px=64, turn="none",
)  # fmt: skip


def picture(rng: np.random.Generator, spoiled: bool) -> NDArray[np.uint8]:
    """Whatever happens outside of the region is as wild as a defect."""
    image = rng.normal(120, 5, (SIDE_PX, SIDE_PX))
    image[:, 60:] = rng.integers(0, 255, (SIDE_PX, SIDE_PX - 60))
    if spoiled:
        y, x = rng.integers(16, 72, 2) // (1, 2)
        image[y : y + 8, x + 8 : x + 16] = 220
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng, rows = tmp_path_factory.mktemp("region"), np.random.default_rng(0), []
    for split, num in NUM.items():
        for number in range(num):
            name, spoiled = f"{split}-{number}", number % 2 == 1
            cv2.imwrite(str(folder / f"{name}.png"), picture(rng, spoiled))
            images = (ImageRow(camera="top", path=f"{name}.png"),)
            label: Label = "nok" if spoiled else "ok"
            rows.append(PieceRow(piece_id=name, images=images, label=label, split=split, groups={"lot": name}))
    write_manifest(folder / "manifest.jsonl", rows)
    return folder / "manifest.jsonl"


def stored(manifest: Path, name: str) -> NDArray[np.uint8]:
    return np.asarray(cv2.imread(str(manifest.parent / f"{name}.png"), cv2.IMREAD_UNCHANGED), np.uint8)


def silent(*_: object) -> None:
    """Reports no progress."""


def config(cameras: dict[str, CameraFraming]) -> TrainConfig:
    head = HeadFitting(max_steps=0, num_folds=2)
    return TrainConfig(
        token_dim=8, num_folds=2, policy="dense", refit="never", head=head, cameras=cameras, experts=(EXPERT,)
    )


@pytest.fixture(scope="module")
def training(manifest: Path) -> Training:
    return train(manifest, config({"top": CameraFraming(region=REGION)}), TrainOptions(seed=0), silent)


@pytest.fixture(scope="module")
def bundle(manifest: Path, training: Training) -> Path:
    folder = manifest.parent / "bundle"
    write_bundle(folder, training.bundle)
    return folder


def schema_of(folder: Path) -> Bundle:
    return load(folder).schema


def test_the_bundle_keeps_the_region_and_evaluation_uses_it(manifest: Path, bundle: Path) -> None:
    framing = schema_of(bundle).modalities[0].framing
    assert framing is not None
    assert framing.region == REGION
    evaluation = evaluate(bundle, manifest, "test", 0.05, silent).report
    scores = {piece.piece_id: piece.score for piece in evaluation.pieces_routed}
    good = [score for name, score in scores.items() if int(name.split("-")[1]) % 2 == 0 and score is not None]
    bad = [score for name, score in scores.items() if int(name.split("-")[1]) % 2 == 1 and score is not None]
    assert max(good) < min(bad)


def test_what_lies_outside_changes_no_score_in_python(manifest: Path, bundle: Path) -> None:
    judge = Inspector.from_pretrained(bundle)
    image = stored(manifest, "test-1")
    changed = image.copy()
    changed[:, 57:], changed[:8], changed[89:] = 0, 255, 17
    first, second = judge.inspect({"top": image}), judge.inspect({"top": changed})
    assert first.score is not None
    assert (first.score, first.decision) == (second.score, second.decision)
    touched = image.copy()
    touched[40:44, 30:34] = 0
    assert judge.inspect({"top": touched}).score != first.score


def test_inspect_and_a_replayed_line_see_the_region_that_evaluation_sees(
    manifest: Path, bundle: Path, tmp_path: Path
) -> None:
    """Outside of the region the pictures that are sent are black; those that evaluation reads are not."""
    spoiled = tmp_path / "manifest.jsonl"
    for row in (rows := read_manifest(manifest)):
        image = stored(manifest, row.piece_id)
        image[:, 57:], image[:8], image[89:] = 0, 0, 0
        cv2.imwrite(str(tmp_path / row.images[0].path), image)
    write_manifest(spoiled, rows)
    expected = {
        piece.piece_id: piece for piece in evaluate(bundle, manifest, "test", 0.05, silent).report.pieces_routed
    }
    recipe = Recipe(name="disc", version="1", product="disc", bundle=bundle, backlog="judge", cameras=(TOP,))
    judge = judge_of([recipe], EngineSettings("onnx", threads=1))
    for way in (inspected(spoiled, recipe), replayed(spoiled, recipe, EmbeddedLog(tmp_path / "log.sqlite"))):
        verdicts = {verdict.inspection.piece_id: verdict for verdict in judge.judge(way)}
        assert verdicts.keys() == expected.keys()
        for name, verdict in verdicts.items():
            assert Decision.Name(verdict.decision) == f"DECISION_{expected[name].decision}"
            assert verdict.defect_score == pytest.approx(expected[name].score, abs=1e-6)


def test_a_checkpoint_keeps_it_and_engines_agree_on_framed_pieces(
    manifest: Path, training: Training, bundle: Path
) -> None:
    save_checkpoint(manifest.parent / "checkpoint", training.bundle)
    again = load_checkpoint(manifest.parent / "checkpoint")
    assert again.modalities == training.bundle.modalities
    parity = add_parity_set(bundle, training.bundle, manifest, Sampling(4), silent)
    assert len(parity.pieces) == 4
    whole = parity.observations(parity.pieces)[0].views["top"].images[0]
    assert whole.shape[:2] == (SIDE_PX, SIDE_PX)


def test_a_fit_of_good_pieces_has_it_too(manifest: Path) -> None:
    cameras = {"top": CameraFraming(region=REGION)}
    fitted = fit_good_only(manifest, GoodOptions(cameras=cameras), silent).bundle
    assert fitted.modalities[0].framing is not None
    write_bundle(manifest.parent / "good", fitted)
    judge = Inspector.from_pretrained(manifest.parent / "good")
    image = stored(manifest, "test-0")
    changed = image.copy()
    changed[:, 57:] = 0
    assert judge.inspect({"top": image}).score == judge.inspect({"top": changed}).score


def test_a_camera_table_with_a_wrong_name_stops_before_any_fit(manifest: Path) -> None:
    run = partial(train, manifest, options=TrainOptions(), progress=silent)
    with pytest.raises(ManifestError, match=r"\[cameras.tpo\]"):
        run(config=config({"tpo": CameraFraming(region=REGION)}))
