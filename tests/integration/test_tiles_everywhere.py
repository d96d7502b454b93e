"""Tiles that were trained are cut alike by evaluation, `Inspect`, a replayed line and `Inspector`: equal verdicts."""

from pathlib import Path

import pytest

from inspector import Inspector
from inspector.bundle.load import load
from inspector.bundle.schema import ImageInput
from inspector.dataset.manifest import read_manifest
from inspector.engines.engine import EngineSettings
from inspector.evaluation.evaluate import evaluate
from inspector.framing.tables import CameraFraming, TilesTable
from inspector.recipe.recipe import Camera, Recipe
from inspector.training.config import HeadFitting, ImageExpert, TrainConfig
from inspector.training.export import write_bundle
from inspector.training.train import train
from inspector.training.trainer import TrainOptions
from protos.inspection.v1.verdict_pb2 import Decision
from streams.embedded import EmbeddedLog
from tests.bundles import judge_of
from tests.large_pictures import SPOT_PX, write_large_pictures
from tests.two_ways import inspected, replayed

pytestmark = [pytest.mark.train, pytest.mark.timeout(600)]

SIZE_PX = (1500, 1200)
EXPERT = ImageExpert(
    name="top-full", modality="top", scout=False, encoder="test_efficientnet", readout="kernel", stages=(0,),
    turn="none",
)  # fmt: skip
CONFIG = TrainConfig(
    token_dim=8, num_folds=2, policy="dense", refit="never", head=HeadFitting(max_steps=0, num_folds=2),
    cameras={"top": CameraFraming(tiles=TilesTable(smallest_defect_px=SPOT_PX / 2))}, experts=(EXPERT,),
)  # fmt: skip


def silent(*_: object) -> None:
    """Reports no progress."""


def test_four_programs_judge_the_same_tiles(tmp_path: Path) -> None:
    manifest, bundle = write_large_pictures(tmp_path, SIZE_PX, test=4), tmp_path / "bundle"
    write_bundle(bundle, train(manifest, CONFIG, TrainOptions(seed=0), silent).bundle)
    form = load(bundle).schema.experts[0].input
    assert isinstance(form, ImageInput)
    assert form.rows * form.cols > 1
    pieces = evaluate(bundle, manifest, "test", 0.05, silent).report.pieces_routed
    decisions = {piece.piece_id: f"DECISION_{piece.decision}" for piece in pieces}
    scores = {piece.piece_id: piece.score for piece in pieces}
    assert len(set(scores.values())) == len(scores) == 4

    recipe = Recipe(
        name="disc", version="1", product="disc", bundle=bundle, backlog="judge", cameras=(Camera(name="top"),)
    )
    judge = judge_of([recipe], EngineSettings("onnx", threads=1))
    for way in (inspected(manifest, recipe), replayed(manifest, recipe, EmbeddedLog(tmp_path / "log.sqlite"))):
        verdicts = judge.judge(way)
        assert {each.inspection.piece_id: Decision.Name(each.decision) for each in verdicts} == decisions
        of_line = {each.inspection.piece_id: each.defect_score for each in verdicts}
        assert of_line == pytest.approx(scores, abs=1e-6)

    by_hand = Inspector.from_pretrained(bundle)
    for row in read_manifest(manifest, "test"):
        verdict = by_hand.inspect({"top": tmp_path / row.images[0].path})
        assert verdict.score == pytest.approx(scores[row.piece_id], abs=1e-6)
