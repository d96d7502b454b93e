"""Experts keep old recipes while they learn a new one, and the gate measures it."""

import numpy as np
import pytest
import torch
from torch import nn

from encoders.tokens import Encoded
from inspector.bundle.schema import SignalInput
from inspector.training.adapt.continual import (
    Anchor,
    AtLimit,
    Gate,
    Retention,
    Tolerance,
    at_limit,
    balanced_memory,
    importance,
    learn,
)
from inspector.training.config import ImageExpert, SignalExpert
from inspector.training.experts.gradient_descent import DescentSettings
from inspector.training.experts.network import Recordings
from inspector.training.export import TrainedExpert
from inspector.training.inputs import build_encoder, input_form

pytestmark = pytest.mark.train

FORM = SignalInput(sample_rate_hz=10, num_samples=3, num_channels=1)
CONFIG = SignalExpert(name="sensor-scout", modality="sensor", encoder="tcn", jitter=0.0)
PLAN = DescentSettings(epochs=30, learning_rate=0.05, batch_size=8)


class Linear(nn.Module):
    """Defect log-odds are a weighted sum of the samples, whose scale is normalised."""

    num_tokens = 1

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(1, affine=False)
        self.read = nn.Linear(3, 1, bias=False)
        nn.init.constant_(self.read.weight, 0.1)

    def forward(self, wave):
        logits = self.read(self.norm(wave)[:, 0])
        return Encoded(wave, logits, wave)


def expert():
    return TrainedExpert(CONFIG, FORM, Linear().eval())  # type: ignore[arg-type]  # a small one for the test


def recipe(seed, feature):
    """Defective where the sample `feature` is large, good where it is small."""
    torch.manual_seed(seed)
    labels = (torch.arange(40) % 2).float()
    inputs = 0.1 * torch.randn(40, 1, 3)
    inputs[:, 0, feature] += 2 * labels - 1
    return Recordings(inputs, labels[:, None])


def separation(learned, data):
    """How far defective recordings lie above good ones."""
    with torch.no_grad():
        logits = learned.module(data.inputs).logits[:, 0]
    return float(logits[1::2].mean() - logits[::2].mean())


def test_memory_takes_kinds_in_turn_so_that_rare_ones_are_all_there():
    targets = torch.zeros(100, 2)
    targets[:3] = 1.0
    old = Recordings(torch.arange(100.0)[:, None], targets)
    memory = balanced_memory(old, 10, seed=0)
    assert set(memory.inputs[:, 0].tolist()) >= {0.0, 1.0, 2.0}
    assert len(memory.inputs) == 10
    assert torch.equal(memory.inputs, balanced_memory(old, 10, seed=0).inputs)


def test_memory_is_no_larger_than_what_there_is():
    assert len(balanced_memory(recipe(0, 0), 1000, seed=0).inputs) == 40


def test_importance_of_a_logistic_regression_is_its_fisher_information():
    data = recipe(0, 0)
    learner = expert()
    chance = torch.sigmoid(learner.module(data.inputs).logits)
    scaled = learner.module.norm(data.inputs)[:, 0]
    expected = (chance * (1 - chance) * scaled**2).mean(0)
    torch.testing.assert_close(importance(learner, data)["read.weight"][0], expected)


def test_the_anchor_pulls_by_importance_and_distance():
    module = Linear()
    start = {"read.weight": module.read.weight.detach() - torch.tensor([[1.0, 2.0, 0.0]])}
    anchor = Anchor(start, {"read.weight": torch.tensor([[3.0, 1.0, 9.0]])})
    assert anchor.pull(module).item() == pytest.approx(0.5 * (3 * 1 + 1 * 4))


def test_the_given_expert_stays_as_it_is():
    learner = expert()
    before = learner.module.read.weight.clone()
    learned = learn(learner, recipe(1, 1), recipe(0, 0), Retention(stiffness=0, descent=PLAN))
    assert torch.equal(learner.module.read.weight, before)
    assert not torch.equal(learned.module.read.weight, before)  # type: ignore[union-attr, arg-type]
    assert separation(learned, recipe(2, 1)) > 2


@pytest.mark.parametrize(
    "keeping", [Retention(stiffness=0, descent=PLAN), Retention(replay=False, stiffness=100, descent=PLAN)]
)
def test_replay_and_ewc_each_keep_what_fine_tuning_loses(keeping):
    old, reverse = recipe(0, 0), recipe(1, 0)
    torch.manual_seed(0)
    skilled = learn(expert(), old, old, Retention(replay=False, stiffness=0, descent=PLAN))
    against = Recordings(-reverse.inputs, reverse.targets)
    torch.manual_seed(0)
    naive = learn(skilled, against, old, Retention(replay=False, stiffness=0, descent=PLAN))
    torch.manual_seed(0)
    kept = learn(skilled, against, old, keeping)
    assert separation(naive, old) < 0 < separation(kept, old)


@pytest.mark.parametrize("held", [True, False])
def test_batch_statistics_are_held_unless_asked_otherwise(held):
    learner = expert()
    learned = learn(learner, recipe(1, 1), recipe(0, 0), Retention(hold_statistics=held, descent=PLAN))
    statistics = [module.norm.running_var for module in (learned.module, learner.module)]  # type: ignore[union-attr]
    assert torch.equal(*statistics) == held  # type: ignore[arg-type]


def test_what_lies_at_the_limit_does_not_pass():
    scores, labels = np.array([0.1, 0.3, 0.3, 0.9]), np.array([True, True, False, False])
    assert at_limit(scores, labels, 0.3) == AtLimit(caught=1, defective=2, rejected=2, good=2)


@pytest.mark.parametrize(
    ("caught", "rejected", "opens"),
    [(90, 5, True), (95, 5, True), (89, 5, False), (90, 7, True), (90, 8, False), (100, 100, False)],
)
def test_the_gate_opens_where_no_recall_is_lost_and_few_more_good_pieces_are_held_back(caught, rejected, opens):
    gate = Gate("a", AtLimit(90, 100, 5, 100), AtLimit(caught, 100, rejected, 100), Tolerance(0.0, 0.02))
    assert gate.open == opens
    assert f"{caught} of 100 defective" in str(gate)
    assert ("kept" if opens else "lost") in str(gate)


@pytest.mark.parametrize(
    ("settings", "moved"),
    [
        ({"encoder": "tiny", "freeze": True}, {"backbone", "readout"}),
        ({"freeze": True}, {"readout"}),
        ({"tuning": "frozen"}, {"readout"}),
        ({"tuning": "full", "freeze": True}, {"backbone", "readout"}),
        ({"tuning": "lora"}, {"backbone, 1x1", "readout"}),
        ({}, {"backbone, 1x1", "readout"}),
    ],
    ids=lambda value: str(sorted(value)) if isinstance(value, set) else str(value),
)
def test_a_backbone_moves_as_its_configuration_says(settings, moved):
    """Few recordings: the default is low-rank updates, which change no 3x3 convolution."""
    place = {"name": "top-full", "modality": "top", "scout": False, "height_px": 32, "width_px": 32}
    config = ImageExpert.model_validate(place | {"encoder": "resnet10t", "num_channels": 3} | settings)
    form = input_form(config, [])
    torch.manual_seed(0)
    given = TrainedExpert(config, form, build_encoder(config, form, (4, 1), {}).eval())
    data = Recordings(torch.rand(8, form.num_channels, 32, 32), (torch.arange(16).reshape(8, 2) % 2).float())
    learned = learn(given, data, data, Retention(descent=DescentSettings(2, 0.01, 4)))
    before, after = (dict(trained.module.named_parameters()) for trained in (given, learned))
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    low_rank = all(before[name].shape[2:] == (1, 1) for name in changed if name.startswith("backbone"))
    place_of = {"backbone": "backbone, 1x1" if low_rank else "backbone", "readout": "readout"}
    assert {place_of[name.partition(".")[0]] for name in changed} == moved
