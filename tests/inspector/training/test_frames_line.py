"""A line whose defects show in the second of three images: trained, judged and replayed, with one answer."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from inspector.bundle.schema import Modality
from inspector.dataset.manifest import read_manifest
from inspector.engines.engine import EngineSettings
from inspector.evaluation.evaluate import evaluate
from inspector.evaluation.explanations.evaluate import heat_maps
from inspector.evaluation.explanations.expert_views import expert_views
from inspector.evaluation.report import Report
from inspector.evaluation.run import Examined, open_bundle
from inspector.evaluation.scoring import scored as scored_by_serving
from inspector.recipe.recipe import Camera, Recipe
from inspector.training.adapt.evaluate_draft import fused_logits
from inspector.training.dataset import Dataset
from inspector.training.experts import selection
from inspector.training.export import write_bundle
from inspector.training.parity_set import Sampling, add_parity_set
from inspector.training.train import Training, train
from inspector.training.trainer import TrainOptions
from protos.inspection.v1.verdict_pb2 import Decision, Verdict
from streams.embedded import EmbeddedLog
from tests.bundles import judge_of
from tests.inspector.training.frames_dataset import CONFIG, NUM, NUM_FRAMES, SHOWN, write_frames
from tests.two_ways import inspected, replayed

pytestmark = pytest.mark.train
TOP = Modality(name="top", kind="image")


def quiet(*_: object) -> None:
    """Nobody wants to know how far it is."""


class Made(NamedTuple):
    manifest: Path
    bundle: Path
    training: Training


@pytest.fixture(scope="module")
def product_line(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A bundle of a line whose defects show in the second of three images alone."""
    folder = tmp_path_factory.mktemp("frames")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selection, "_cost_ms", lambda expert, module: 2.0)
        manifest = write_frames(folder)
        training = train(manifest, CONFIG, TrainOptions(), quiet)
    write_bundle(folder / "bundle", training.bundle)
    return Made(manifest, folder / "bundle", training)


@pytest.fixture(scope="module")
def report(product_line: Made) -> Report:
    return evaluate(product_line.bundle, product_line.manifest, "test", 0.05, quiet).report


def test_a_defect_that_the_first_image_does_not_show_is_found(report: Report) -> None:
    routed = report.decisions["routed"]
    assert report.defective == NUM["test"] // 3
    assert routed.escapes == ()
    assert routed.false_rejects == ()
    assert report.scores["routed"].auc > 0.99


def test_the_certificate_is_of_what_the_line_will_say(product_line: Made) -> None:
    certificate = product_line.training.bundle.certificate
    assert certificate is not None
    assert certificate.claim is not None, "with the first image alone nothing could be promised"


def test_training_scores_pieces_as_the_line_does(product_line: Made) -> None:
    """The calibration pieces, which no encoder saw; training pieces are scored out of fold."""
    rows = read_manifest(product_line.manifest, "calibration")
    line = scored_by_serving(Examined(open_bundle(product_line.bundle), product_line.manifest.parent, rows, quiet))
    unseen = product_line.training.scored.take(product_line.training.scored.unseen)
    assert unseen.piece_ids == line.piece_ids
    assert unseen.sets == line.sets
    assert np.allclose(unseen.expert_logits, line.expert_logits, atol=1e-4)
    logits = fused_logits(product_line.training.bundle, Dataset(product_line.manifest), "calibration")
    assert np.allclose(logits, line.logits[0], atol=1e-4)


def test_every_image_of_a_piece_is_paid_for(product_line: Made) -> None:
    assert product_line.training.scored.cpu_s == pytest.approx(NUM_FRAMES * 0.002)
    line = Examined(
        open_bundle(product_line.bundle),
        product_line.manifest.parent,
        read_manifest(product_line.manifest, "test"),
        quiet,
    )
    cost_s = line.model.schema.experts[0].cost_ms / 1e3
    assert scored_by_serving(line).cpu_s == pytest.approx(NUM_FRAMES * cost_s)


def recipe_of(bundle: Path) -> Recipe:
    return Recipe(
        name="disc", version="1", product="disc", bundle=bundle, backlog="judge",
        cameras=(Camera(name="top", num_frames=NUM_FRAMES),),
    )  # fmt: skip


def test_evaluate_inspect_and_replay_agree(product_line: Made, report: Report, tmp_path: Path) -> None:
    recipe = recipe_of(product_line.bundle)
    judge = judge_of([recipe], EngineSettings("onnx", threads=1))
    files = {piece.piece_id: piece for piece in report.pieces_routed}
    log = EmbeddedLog(tmp_path / "log.sqlite")
    for way in (inspected(product_line.manifest, recipe), replayed(product_line.manifest, recipe, log)):
        verdicts = {verdict.inspection.piece_id: verdict for verdict in judge.judge(way)}
        assert verdicts.keys() == files.keys()
        for name, verdict in verdicts.items():
            _demand_equal(verdict, files[name].decision, files[name].score)


def _demand_equal(verdict: Verdict, decision: str, score: float | None) -> None:
    assert Decision.Name(verdict.decision) == f"DECISION_{decision}"
    assert verdict.defect_score == pytest.approx(score, abs=1e-6)


def test_a_parity_set_holds_every_image(product_line: Made) -> None:
    parity = add_parity_set(product_line.bundle, product_line.training.bundle, product_line.manifest, Sampling(), quiet)
    assert {len(piece.images) for piece in parity.pieces} == {NUM_FRAMES}
    seen = parity.observations(parity.pieces[:2])
    assert [len(piece.views["top"].images) for piece in seen] == [NUM_FRAMES] * 2
    assert all(piece.expected.decision == "FAIL" for piece in parity.pieces if piece.label == "nok")


def test_a_heat_map_is_not_held_against_a_mask_of_nobody_knows_which_image(product_line: Made) -> None:
    row = read_manifest(product_line.manifest, "train")[0].model_copy(update={"mask": "nowhere.png"})
    seen = expert_views(open_bundle(product_line.bundle), product_line.manifest.parent, [row], TOP)
    assert [(sight.output.image, sight.only_image) for sight in seen] == [(SHOWN, False)]
    assert heat_maps(product_line.manifest.parent, seen, seed=0) is None
