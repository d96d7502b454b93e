"""Candidates that a training left out are fitted and scored as those that it kept."""

from pathlib import Path

import pytest

from inspector.training.config import TrainConfig
from tests.benchmarks.evidence.bench import Trained
from tests.benchmarks.evidence.keeping import read_scored
from tests.benchmarks.evidence.left_out import own_auc
from tests.benchmarks.evidence.small_result import KEPT_EXPERTS
from tests.benchmarks.evidence.workshop import train_and_examine
from tests.inspector.training.small_dataset import CONFIG, write_small_dataset

pytestmark = pytest.mark.train


def test_a_network_that_was_not_kept_is_judged_on_its_modality_s_own_labels(tmp_path: Path) -> None:
    manifest, work = write_small_dataset(tmp_path), tmp_path / "work"
    train_and_examine(manifest, CONFIG, {}, work)
    calibration, test = (read_scored(work / f"{part}.npz") for part in ("calibration", "test"))
    trained = Trained("small", 7, manifest, work / "bundle", work / "checkpoint", calibration, test)
    auc_by_modality = own_auc(trained, TrainConfig(), {})
    assert {name: set(scores) for name, scores in auc_by_modality.items()} == {"top": {KEPT_EXPERTS, "top-full"}}
    assert all(0 <= auc <= 1 for auc in auc_by_modality["top"].values())
