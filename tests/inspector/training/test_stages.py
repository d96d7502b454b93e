"""The stages of a training: what they are given, and when encoders are fitted again."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fusion.calibration import probability
from inspector.bundle.schema import Claim
from inspector.recipe.thresholds import certificate_words
from inspector.training.checkpoint import load_checkpoint, save_checkpoint
from inspector.training.config import TrainConfig
from inspector.training.dataset import Dataset
from inspector.training.experts.selection import CrossValidationResult
from inspector.training.judged import Judged
from inspector.training.train import Training, train
from inspector.training.trainer import Trainer
from tests.inspector.training.small_dataset import CONFIG, NUM_SAMPLES, OPTIONS, SIDE_PX, report

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("no_clock")]


def trainer_of(manifest: Path, **change: object) -> Trainer:
    return Trainer(Dataset(manifest), CONFIG.model_copy(update=change), OPTIONS, report)


def trained(manifest: Path, config: TrainConfig = CONFIG) -> Training:
    return train(manifest, config, OPTIONS, report)


@pytest.fixture(scope="module")
def once(manifest: Path) -> Training:
    return trained(manifest, CONFIG.model_copy(update={"refit": "never"}))


@pytest.fixture(scope="module")
def again(manifest: Path) -> Training:
    return trained(manifest)


def pieces_of(splits: Sequence[str], manifest: Path) -> set[str]:
    return {row.piece_id for row in Dataset(manifest).rows if row.split in splits}


def test_thresholds_come_from_train_out_of_fold_and_unseen_calibration(once: Training, manifest: Path) -> None:
    scored = once.scored
    assert {p for p, item in zip(scored.piece_ids, scored.unseen, strict=True) if item} == pieces_of(
        ["calibration"], manifest
    )
    assert set(scored.piece_ids) == pieces_of(["train", "calibration"], manifest)
    assert set(scored.sets) == {
        frozenset(item) for item in (["mic-profile"], ["top-rings"], ["mic-profile", "top-rings"])
    }
    assert once.bundle.certificate is not None
    assert once.bundle.certificate.of_these_encoders
    assert once.bundle.provenance["encoders_fitted_on"] == "train"


def test_a_second_fit_gives_up_every_promise_and_says_so(once: Training, again: Training, manifest: Path) -> None:
    first, loaded = once.bundle.certificate, again.bundle.certificate
    assert first is not None
    assert loaded is not None
    assert loaded == first.model_copy(update={"of_these_encoders": False, "sure_below": loaded.sure_below})
    assert not again.scored.unseen.any()
    assert set(again.scored.piece_ids) == pieces_of(["train", "calibration"], manifest)
    assert again.bundle.provenance["encoders_fitted_on"] == "train and calibration"
    assert again.findings[-1] == certificate_words(loaded)
    assert "nothing is promised" in again.findings[-1]
    assert again.findings[-1] in again.bundle.card


def test_the_second_fit_learned_from_the_calibration_pieces(once: Training, again: Training) -> None:
    probe = torch.randn(4, 1, NUM_SAMPLES, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        outputs = [item.bundle.experts[1].module.eval()(probe).logits for item in (once, again)]
    assert not torch.allclose(*outputs)


def test_what_surely_passes_after_the_second_fit_follows_from_its_own_scores(again: Training) -> None:
    scored, certificate = again.scored, again.bundle.certificate
    assert certificate is not None
    outputs = {}
    for item in again.bundle.calibrations:
        outputs[item.experts] = probability(scored.of(item.experts), item.temperature, item.bias)
    both, top = outputs["mic-profile", "top-rings"], outputs["top-rings",]
    scores = np.where(np.isnan(both), top, both)
    assert np.isnan(both).any()
    assert certificate.sure_below == pytest.approx(scores[scored.labels].min())


def test_a_checkpoint_of_kernel_machines_is_the_same_model(again: Training, tmp_path: Path) -> None:
    save_checkpoint(tmp_path, again.bundle)
    loaded = load_checkpoint(tmp_path)
    assert (loaded.calibrations, loaded.policy) == (again.bundle.calibrations, again.bundle.policy)
    assert loaded.certificate == again.bundle.certificate
    shapes = {"top-rings": (3, 1, 1, SIDE_PX, SIDE_PX), "mic-profile": (3, 1, NUM_SAMPLES)}
    for item, other in zip(again.bundle.experts, loaded.experts, strict=True):
        probe = torch.randn(shapes[item.name], generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            for before, after in zip(item.module.eval()(probe), other.module.eval()(probe), strict=True):
                assert torch.allclose(before, after, atol=1e-4)


@pytest.mark.parametrize("which", ["once", "again"])
def test_training_says_how_far_each_modality_decides_alone(which: str, request: pytest.FixtureRequest) -> None:
    training_: Training = request.getfixturevalue(which)
    (alone,) = (finding for finding in training_.findings if finding.startswith("Decisions that one modality alone"))
    assert alone.endswith(f"(of {len(training_.scored.piece_ids)} pieces).")
    assert "Weight of the gate: top 0.5" in training_.bundle.card
    assert alone in training_.bundle.card
    assert not [warning for warning in training_.bundle.warnings if warning.kind == "dominance"]


@pytest.fixture(scope="module")
def first(manifest: Path) -> tuple[Trainer, list[CrossValidationResult], Judged]:
    """A training up to where it may fit again."""
    trainer = trainer_of(manifest)
    results = trainer.cross_validate()
    selected = trainer.fit_experts(trainer.keep(results))
    fusion = trainer.fuse(selected)
    return trainer, results, trainer.judge(selected, fusion)


def certified(results: list[CrossValidationResult], judged: Judged) -> tuple[list[CrossValidationResult], Judged]:
    claim = Claim(miss_rate=0.008, pass_below=0.1, num_misses=0, good_held=0.5)
    return results, replace(judged, certificate=judged.certificate.model_copy(update={"claim": claim}))


def learned_head(results: list[CrossValidationResult], judged: Judged) -> tuple[list[CrossValidationResult], Judged]:
    return results, replace(judged, fusion=replace(judged.fusion, head=replace(judged.fusion.head, steps=10)))


def slow(results: list[CrossValidationResult], judged: Judged) -> tuple[list[CrossValidationResult], Judged]:
    gaps = results[0].logits.clone()
    gaps[0] = torch.nan
    return [replace(results[0], logits=gaps), *results[1:]], judged


def slow_but_left_out(
    results: list[CrossValidationResult], judged: Judged
) -> tuple[list[CrossValidationResult], Judged]:
    changed, _ = slow(results, judged)
    return changed, replace(judged, selected=judged.selected[1:])


@pytest.mark.parametrize(
    ("change", "refit", "reason"),
    [
        (lambda *item: item, "auto", ""),
        (lambda *item: item, "never", "says never"),
        (certified, "auto", "certifies the miss rate"),
        (learned_head, "auto", "head was fitted on the calibration split"),
        (slow, "auto", "score out of fold"),
        (slow_but_left_out, "auto", ""),
    ],
    ids=["as it is", "not asked", "certified", "learned head", "slow", "slow but left out"],
)
def test_encoders_are_fitted_again_only_where_evidence_proves_nothing_and_fits_are_quick(
    first: tuple[Trainer, list[CrossValidationResult], Judged],
    change: Callable[[list[CrossValidationResult], Judged], tuple[list[CrossValidationResult], Judged]],
    refit: str,
    reason: str,
) -> None:
    trainer, results, judged = first
    changed = replace(trainer, config=CONFIG.model_copy(update={"refit": refit}))
    why_not = changed.why_no_refit(*change(results, judged))
    assert reason in why_not if reason else not why_not
