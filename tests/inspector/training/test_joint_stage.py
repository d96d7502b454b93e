"""When encoders and head are fitted together."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from fusion.head import FusionHead
from inspector.statistics.evidence import Rule
from inspector.training import trainer as stages
from inspector.training.config import JointFitting
from inspector.training.dataset import Dataset
from inspector.training.export import TrainedExpert
from inspector.training.head.joint_finetune import JointFit
from inspector.training.head.scores import score
from inspector.training.trainer import Trainer
from tests.inspector.training.small_dataset import CONFIG, NUM, OPTIONS, report, write_small_dataset

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("no_clock")]


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_dataset(tmp_path_factory.mktemp("strange"), strange=True)


def trainer_of(manifest: Path, **change: object) -> Trainer:
    return Trainer(Dataset(manifest), CONFIG.model_copy(update=change), OPTIONS, report)


class JointStub:
    """Stands in for the joint fit: notes that it was asked, changes nothing."""

    def __init__(self, kept: bool) -> None:
        self.kept, self.epochs = kept, list[int]()

    def __call__(
        self,
        experts: Sequence[TrainedExpert],
        head: FusionHead,
        dataset: Dataset,
        settings: JointFitting,
        seed: int,
        progress: Callable[[int, int], None],
        rule: Rule,
    ) -> JointFit:
        self.epochs.append(settings.epochs)
        return JointFit(self.kept, 3 * self.kept, 0.5, 0.3 if self.kept else 0.5)


@pytest.mark.parametrize(
    ("which", "joint", "epochs"),
    [
        ("strange", JointFitting(), [stages.JOINT_EPOCHS]),
        ("strange", JointFitting(automatic=False), []),
        ("strange", JointFitting(epochs=2, automatic=False), [2]),
        ("manifest", JointFitting(), []),
        ("manifest", JointFitting(epochs=2), [2]),
    ],
)
def test_encoders_and_head_are_fitted_together_where_defects_lie_between_the_modalities(
    which: str, joint: JointFitting, epochs: list[int], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub = JointStub(kept=True)
    monkeypatch.setattr(stages, "fine_tune", stub)
    trainer = trainer_of(request.getfixturevalue(which), joint=joint)
    selected = trainer.fit_experts(trainer.keep(trainer.cross_validate()))
    fusion = trainer.fuse(selected)
    assert stub.epochs == epochs
    assert fusion.head.joint is bool(epochs)
    assert fusion.head.steps == (3 if epochs else 0)
    scored = score(trainer.dataset, selected, fusion)
    assert len(scored.labels) == (NUM["calibration"] if epochs else NUM["train"] + NUM["calibration"])


def test_a_joint_fit_that_was_not_kept_leaves_the_head_of_the_calibration_pieces(
    strange: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub = JointStub(kept=False)
    monkeypatch.setattr(stages, "fine_tune", stub)
    trainer = trainer_of(strange)
    fusion = trainer.fuse(trainer.fit_experts(trainer.keep(trainer.cross_validate())))
    assert stub.epochs == [stages.JOINT_EPOCHS]
    assert (fusion.head.joint, fusion.head.steps) == (False, 0)
