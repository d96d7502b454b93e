"""Evidence between the modalities: unexplained defects, the joint stage, the consistency score."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fusion.agreement import UNLIKELY, Agreement
from fusion.calibration import Scores
from fusion.head import FusionHead, HeadForm, Member
from inspector.bundle.schema import Modality
from inspector.dataset.manifest import Label, PieceRow
from inspector.simulation.dataset import write_dataset
from inspector.simulation.pieces import LineSettings
from inspector.statistics.classification import area_under_curve
from inspector.statistics.evidence import Choice, Rule
from inspector.training.checkpoint import load_checkpoint, save_checkpoint
from inspector.training.config import ImageExpert, JointFitting, SignalExpert
from inspector.training.dataset import Dataset
from inspector.training.export import TrainedExpert
from inspector.training.head.contrastive import align, scale
from inspector.training.head.joint_finetune import _Run, fine_tune, unexplained
from inspector.training.head.keep_joint import JOINT, STAGED, HeldOut
from inspector.training.inputs import build_encoder, input_form
from inspector.training.untrained_bundle import untrained

pytestmark = pytest.mark.train

MODALITIES = (Modality(name="top", kind="image"), Modality(name="mic", kind="audio"))


@pytest.mark.parametrize(
    ("label", "modality_labels", "is_unexplained"),
    [
        ("nok", {"image": "ok", "signal": "ok"}, True),
        ("nok", {"image": "nok", "signal": "ok"}, False),
        ("ok", {"image": "ok", "signal": "ok"}, False),
        ("nok", {"image": "ok"}, False),
        ("nok", {"image": "ok", "signal": "unknown"}, False),
        ("nok", {}, False),
    ],
)
def test_a_defect_is_unexplained_where_every_modality_is_known_to_be_ok(
    label: Label, modality_labels: Mapping[str, Label], is_unexplained: bool
) -> None:
    row = PieceRow(piece_id="a", label=label, split="train", modality_labels=modality_labels)
    assert unexplained([row], MODALITIES) == ([row] if is_unexplained else [])


def aligned(first: torch.Tensor, second: torch.Tensor) -> Agreement:
    torch.manual_seed(0)
    agreement = Agreement(first.shape[2], 2)
    align(agreement, first, second)
    return agreement


def test_what_the_good_pieces_share_tells_who_contradicts() -> None:
    torch.manual_seed(0)

    def tokens(mark: torch.Tensor) -> torch.Tensor:
        noise = torch.randn(len(mark), 4, 8)
        return noise + 6 * mark[:, None, None] * torch.eye(8)[0]

    mark = torch.randint(2, (400,)).float()
    agreement = aligned(tokens(mark), tokens(mark))
    wrong = torch.rand(400) < 0.5
    heard = torch.where(wrong, 1 - mark, mark)
    with torch.no_grad():
        scores = agreement.distance(tokens(mark), tokens(heard)).numpy().astype(np.float64)
    assert area_under_curve(scores, wrong.numpy()) > 0.9
    targets = torch.stack([wrong.float(), torch.full((400,), torch.nan)], dim=1)
    scale(agreement, tokens(mark), tokens(heard), targets)
    with torch.no_grad():
        logits = agreement(tokens(mark), tokens(heard))
    assert ((logits[:, 0] > 0) == wrong).float().mean() > 0.8
    assert torch.equal(logits[:, 1], torch.full((400,), UNLIKELY)), "nothing is known of this class"


def test_pairs_made_up_teach_nothing() -> None:
    torch.manual_seed(0)
    first, second = torch.randn(300, 4, 8), torch.randn(300, 4, 8)
    agreement = aligned(first, second)
    with torch.no_grad():
        scores = agreement.distance(torch.randn(400, 4, 8), torch.randn(400, 4, 8)).numpy().astype(np.float64)
    assert 0.4 < area_under_curve(scores, np.arange(400) % 2 == 0) < 0.6


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder: Path = tmp_path_factory.mktemp("line")
    return Dataset(write_dataset(folder, 120, LineSettings(seed=3, scenario="disagreement")))


def experts_and_head(dataset: Dataset) -> tuple[tuple[TrainedExpert, ...], FusionHead]:
    torch.manual_seed(0)
    configs = (
        ImageExpert(name="top-scout", modality="top", scout=True, height_px=32, width_px=32),
        SignalExpert(name="mic-scout", modality="mic", encoder="log_mel", scaling="none"),
    )
    experts = []
    for config in configs:
        form = input_form(config, [e.recording for e in dataset.examples("train", config.modality).values()])
        experts.append(TrainedExpert(config, form, build_encoder(config, form, (8, len(dataset.classes)), {})))
    members = tuple(Member(expert.modality, expert.num_tokens) for expert in experts)
    return tuple(experts), FusionHead(HeadForm(members, 8, len(dataset.classes), ((0, 1),)))


def test_a_joint_fit_that_does_not_help_leaves_everything_as_it_was(dataset: Dataset) -> None:
    experts, head = experts_and_head(dataset)
    before = {name: value.clone() for name, value in (experts[0].module.state_dict() | head.state_dict()).items()}
    ruinous = JointFitting(epochs=1, learning_rate=30.0, head_learning_rate=30.0, head_steps=5)
    fit = fine_tune(experts, head, dataset, ruinous, 0, lambda done, total: None)
    assert (fit.kept, fit.best_epoch, fit.joint_loss) == (False, 0, fit.staged_loss)
    after = experts[0].module.state_dict() | head.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_a_joint_fit_is_not_kept_on_few_held_out_pieces_and_equal_seeds_give_equal_fits(dataset: Dataset) -> None:
    settings = JointFitting(epochs=2, head_steps=60)
    fits = [fine_tune(*experts_and_head(dataset), dataset, settings, 0, lambda done, total: None) for _ in range(2)]
    assert not fits[0].kept
    assert "too few independent held-out pieces" in fits[0].choices[0].line()
    assert fits[0] == fits[1]


def test_a_joint_fit_that_many_held_out_pieces_bear_out_is_kept_as_it_is(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HeldOut, "decide", lambda held, rule: (True, Choice("Joint fit", JOINT, STAGED, None, "")))
    experts, head = experts_and_head(dataset)
    before = head.state_dict()["log_slope"].clone()
    fit = fine_tune(experts, head, dataset, JointFitting(epochs=1, head_steps=60), 0, lambda done, total: None)
    assert (fit.kept, fit.best_epoch) == (True, 1)
    assert not torch.equal(before, head.state_dict()["log_slope"])


def state_of(head: FusionHead) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in head.state_dict().items()}


def test_the_head_with_the_least_loss_on_held_out_pieces_is_kept_of_several(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    experts, head = experts_and_head(dataset)
    names, losses, states, steps = list[str](), list[float](), list[dict[str, torch.Tensor]](), list[tuple[int, int]]()
    add = HeldOut.add

    def noted(held: HeldOut, logits: Scores, name: str) -> bool:
        is_best = add(held, logits, name)
        names.append(name)
        losses.append(float(np.nanmean(held._fits[-1])))
        states.append(state_of(head))
        return is_best

    monkeypatch.setattr(HeldOut, "add", noted)
    monkeypatch.setattr(HeldOut, "decide", lambda held, rule: (True, Choice("Joint fit", JOINT, STAGED, None, "")))
    settings = JointFitting(epochs=1, heads=4, head_steps=40)
    fit = fine_tune(experts, head, dataset, settings, 0, lambda done, total: steps.append((done, total)))
    assert names == ["epoch 1", "epoch 1, head 2", "epoch 1, head 3", "epoch 1, head 4"]
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert len(set(losses)) == 4, "every head starts from other weights"
    best = losses.index(min(losses))
    assert best > 0, "with this seed, the first head is not the best"
    assert (fit.joint_loss, fit.best_epoch) == (losses[best], 1)
    assert all(torch.equal(value, states[best][name]) for name, value in head.state_dict().items())


def test_later_epochs_go_on_with_the_best_head(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    experts, head = experts_and_head(dataset)
    told = iter([True, True, False, False, True])
    states, steps = list[dict[str, torch.Tensor]](), list[tuple[int, int]]()

    def noted(held: HeldOut, logits: Scores, name: str) -> bool:
        states.append(state_of(head))
        return next(told)

    def advance(run: _Run, rows: torch.Tensor) -> None:
        states.append(state_of(head))

    monkeypatch.setattr(HeldOut, "add", noted)
    monkeypatch.setattr(HeldOut, "decide", lambda held, rule: (False, Choice("Joint fit", STAGED, JOINT, None, "")))
    monkeypatch.setattr(_Run, "advance", advance)
    settings = JointFitting(epochs=3, heads=3, head_steps=5)
    fine_tune(experts, head, dataset, settings, 0, lambda done, total: steps.append((done, total)))
    second, at_epoch_2 = states[1], states[3]
    assert all(torch.equal(value, at_epoch_2[name]) for name, value in second.items())
    assert steps[-1] == (5, 5)


def held_out(gain: float, num: int = 200) -> HeldOut:
    random = np.random.default_rng(0)
    labels = np.arange(num) % 2 == 0
    staged, joint = ((2 * labels - 1) * signal + random.standard_normal(num) for signal in (0.5, 0.5 + gain))
    held = HeldOut(labels, [{"image": str(index)} for index in range(num)], staged)
    assert held.add(joint, "epoch 1")
    assert not held.add(np.full(num, np.nan), "epoch 2")
    assert not held.add(0.01 * random.standard_normal(num), "epoch 3")
    return held


@pytest.mark.parametrize("rule", list(Rule))
def test_a_gain_of_the_best_epoch_is_kept_beyond_chance_only(rule: Rule) -> None:
    kept, choice = held_out(1.5).decide(rule)
    assert kept
    assert choice.line().startswith(f"Joint fit: {JOINT} rather than {STAGED} (epoch 1 gains +0.")
    kept, choice = held_out(0.0).decide(rule)
    assert not kept
    assert "the gain may be chance" in choice.line()


def test_a_head_that_compares_experts_comes_back_from_its_checkpoint(tmp_path: Path) -> None:
    bundle = untrained()
    members = tuple(Member(expert.modality, expert.num_tokens) for expert in bundle.experts)
    form = HeadForm(members, bundle.token_dim, len(bundle.classes), ((0, len(members) - 1),))
    torch.manual_seed(0)
    save_checkpoint(tmp_path, replace(bundle, head=FusionHead(form).eval()))
    assert load_checkpoint(tmp_path).head.pairs == form.pairs
