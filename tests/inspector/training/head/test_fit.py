"""The head is fitted for as long as it helps on unseen groups, and not at all where nothing helps."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from fusion.head import HeadForm, Member
from inspector.training.config import HeadFitting
from inspector.training.head import fit as fit_module
from inspector.training.head.fit import Encodings, HeadData, fit_head

pytestmark = pytest.mark.train

FORM = HeadForm((Member("top", 2), Member("mic", 2)), 8, 0)
SETS = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
SETTINGS = HeadFitting(max_steps=6, check_every=3, num_folds=2)


def head_data(num_pieces=80):
    random = torch.Generator().manual_seed(0)
    bad_labels = torch.rand(2, num_pieces, generator=random) < 0.3
    logits = [torch.where(bad, 2.0, -2.0)[:, None] + torch.randn(num_pieces, 1, generator=random) for bad in bad_labels]
    tokens = [torch.randn(num_pieces, 2, 8, generator=random) for _ in bad_labels]
    targets = torch.stack([bad_labels.any(0), bad_labels[0], bad_labels[1]]).float()[:, :, None]
    encodings = Encodings(tuple(tokens), tuple(logits), torch.ones(num_pieces, 2))
    return HeadData(encodings, SETS, (True, False, False), targets, bad_labels.float())


def fitted(seed=0, data=None, settings=SETTINGS):
    torch.set_num_threads(1)
    groups = [{"image": f"i{n % 20}", "signal": f"s{n % 11}"} for n in range(80)]
    return fit_head(FORM, data or head_data(), groups, settings, seed, lambda done, total: None)


def test_every_piece_is_scored_for_every_set_by_a_head_that_saw_none_of_its_groups():
    fit_result = fitted()
    assert fit_result.logits.shape == (3, 80)
    assert fit_result.logits.isfinite().all()


def hinted():
    """The tokens of one modality also contain the label."""
    data = head_data()
    tokens = data.encodings.tokens[0] + 4 * data.targets[0][:, :, None]
    return replace(data, encodings=replace(data.encodings, tokens=(tokens, data.encodings.tokens[1])))


@pytest.mark.parametrize(("certainty", "selected"), [(0.0, True), (100.0, False)])
def test_steps_are_taken_only_where_they_beat_noisy_or_beyond_the_noise(certainty, selected, monkeypatch):
    monkeypatch.setattr(fit_module, "CERTAINTY", certainty)
    fit_result = fitted(data=hinted(), settings=HeadFitting(max_steps=60, check_every=20, num_folds=2))
    assert set(fit_result.losses) == {0, 20, 40, 60}
    best = min(fit_result.losses, key=lambda steps: fit_result.losses[steps])
    assert best > 0
    assert fit_result.steps == (best if selected else 0)


def test_the_loss_is_that_of_sets_that_cover_everything_and_of_pieces_that_are_known():
    data = head_data()
    data.targets[0, :10] = torch.nan
    losses = fit_module._whole_losses(torch.stack([torch.zeros(80), *torch.full((2, 80), 9.0)]), data)
    assert losses.tolist() == pytest.approx([math.log(2)] * 70)


def test_the_same_seed_gives_the_same_head():
    first, second = fitted(3), fitted(3)
    assert torch.equal(first.logits, second.logits)
    state = second.head.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in first.head.state_dict().items())


def test_scores_of_one_modality_do_not_depend_on_the_other():
    fit_result, data = fitted(), head_data()
    alone = fit_result.head(
        data.encodings.tokens,
        data.encodings.logits,
        torch.tensor([1.0, 0.0]).expand(80, 2),
    ).logits[:, 0]
    read = data.encodings.read(fit_result.head, SETS[1]).logits[:, 0]
    assert np.abs((alone - read).detach().numpy()).max() < 1e-6
