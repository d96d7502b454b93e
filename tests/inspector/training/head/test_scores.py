"""Scored pieces for the thresholds: which pieces are scored, by which log-odds, and which count as unseen."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from inspector.dataset.labels import units_of
from inspector.training.dataset import Dataset
from inspector.training.experts import selection
from inspector.training.experts.selection import SelectedExpert
from inspector.training.head.scores import BOTH, Fusion, calibrated_again, score, score_out_of_fold
from inspector.training.trainer import Trainer
from tests.inspector.training.small_dataset import CONFIG, NUM, OPTIONS, write_small_dataset

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, list[SelectedExpert], Fusion]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selection, "_cost_ms", lambda expert, module: 1.0)
        dataset = Dataset(write_small_dataset(tmp_path_factory.mktemp("pieces")))
        trainer = Trainer(dataset, CONFIG, OPTIONS, lambda stage, done, total: None)
        selected = trainer.fit_experts(trainer.keep(trainer.cross_validate()))
        return dataset, selected, trainer.fuse(selected)


def forgetting(selected: list[SelectedExpert], expert: int, recordings: list[int]) -> list[SelectedExpert]:
    """The same experts, but one has no log-odds out of fold for some recordings."""
    logits = selected[expert].out_of_fold_logits.clone()
    logits[recordings] = torch.nan
    return [*selected[:expert], replace(selected[expert], out_of_fold_logits=logits), *selected[expert + 1 :]]


def test_training_pieces_come_first_and_calibration_pieces_are_unseen(
    training: tuple[Dataset, list[SelectedExpert], Fusion],
) -> None:
    dataset, selected, fusion = training
    pieces = score(dataset, selected, fusion)
    rows = [*dataset.labelled("train"), *dataset.labelled("calibration")]
    assert pieces.piece_ids == tuple(row.piece_id for row in rows)
    assert pieces.labels.tolist() == [row.label == "nok" for row in rows]
    assert pieces.units == tuple(units_of(row, dataset.modalities) for row in rows)
    assert pieces.unseen.tolist() == [False] * NUM["train"] + [True] * NUM["calibration"]
    assert pieces.expert_logits.shape == pieces.cpu_s.shape == (2, len(rows))
    assert pieces.logits.shape == (3, len(rows))


def test_a_training_piece_is_scored_by_log_odds_out_of_fold_alone(
    training: tuple[Dataset, list[SelectedExpert], Fusion],
) -> None:
    dataset, selected, fusion = training
    pieces = score_out_of_fold(dataset, selected, fusion, ["train"])
    assert pieces is not None
    assert pieces.experts == tuple(choice.expert.name for choice in selected)
    assert np.allclose(pieces.expert_logits[0], selected[0].out_of_fold_logits[:, 0].numpy())
    louder = [replace(choice, out_of_fold_logits=choice.out_of_fold_logits + 1) for choice in selected]
    again = score_out_of_fold(dataset, louder, fusion, ["train"])
    assert again is not None
    assert (again.logits > pieces.logits)[~np.isnan(pieces.logits)].all()


def test_what_a_piece_lacks_is_unknown_and_costs_nothing(
    training: tuple[Dataset, list[SelectedExpert], Fusion],
) -> None:
    dataset, selected, fusion = training
    pieces = score(dataset, selected, fusion)
    lacking = np.array([not row.signals for split in BOTH for row in dataset.labelled(split)])
    assert lacking.sum() == 2
    assert (np.isnan(pieces.expert_logits[1]) == lacking).all()
    assert ((pieces.cpu_s[1] == 0) == lacking).all()
    for names in pieces.sets:
        assert (np.isnan(pieces.of(names)) == (lacking & ("mic-profile" in names))).all()


@pytest.mark.parametrize(
    ("expert", "recordings", "gone"),
    [(0, [0, 3], [0, 3]), (1, [0], [0]), (0, [5], [5]), (0, list(range(48)), list(range(48)))],
    ids=["maps", "traces", "map of a piece without trace", "all"],
)
def test_a_training_piece_counts_only_where_all_its_recordings_were_scored_out_of_fold(
    training: tuple[Dataset, list[SelectedExpert], Fusion], expert: int, recordings: list[int], gone: list[int]
) -> None:
    dataset, selected, fusion = training
    pieces = score(dataset, forgetting(selected, expert, recordings), fusion)
    left = [f"train-{number}" for number in range(NUM["train"]) if number not in gone]
    assert [piece_id for piece_id, unseen in zip(pieces.piece_ids, pieces.unseen, strict=True) if not unseen] == left
    assert pieces.unseen.sum() == NUM["calibration"]
    assert (~np.isnan(pieces.logits)).any(0).all()


def test_a_head_that_learned_from_tokens_cannot_read_pieces_without_them(
    training: tuple[Dataset, list[SelectedExpert], Fusion],
) -> None:
    dataset, selected, fusion = training
    learned = replace(fusion, head=replace(fusion.head, steps=10))
    assert score(dataset, selected, learned).unseen.all()


def test_a_head_for_encoders_of_both_splits_takes_no_step(
    training: tuple[Dataset, list[SelectedExpert], Fusion],
) -> None:
    dataset, selected, fusion = training
    both = [_scored_on_both(dataset, choice) for choice in selected]
    recalibrated = calibrated_again(dataset, both, fusion, CONFIG, seed=0)
    scored = score_out_of_fold(dataset, both, recalibrated, BOTH)
    assert scored is not None
    assert len(scored.labels) == NUM["train"] + NUM["calibration"]
    assert not scored.unseen.any()
    assert recalibrated.head.steps == 0
    assert not torch.equal(recalibrated.head.head.bias, fusion.head.head.bias)


def _scored_on_both(dataset: Dataset, choice: SelectedExpert) -> SelectedExpert:
    """As if the calibration recordings had the log-odds of the first training recordings."""
    more = len(dataset.examples_of(BOTH, choice.expert.modality)) - len(choice.out_of_fold_logits)
    return replace(choice, out_of_fold_logits=torch.cat([choice.out_of_fold_logits, choice.out_of_fold_logits[:more]]))
