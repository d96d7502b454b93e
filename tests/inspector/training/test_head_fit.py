"""The head is fitted for as long as it helps on unseen groups, and not at all where nothing helps."""

import numpy as np
import pytest
import torch

from fusion.head import HeadForm, Member
from inspector.training.config import HeadFitting
from inspector.training.head_fit import Encodings, Lesson, fit_head

pytestmark = pytest.mark.train

FORM = HeadForm((Member("top", 2), Member("mic", 2)), 8, 0)
SETS = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
SETTINGS = HeadFitting(max_steps=6, check_every=3, num_folds=2)


def lesson(num_pieces=80):
    random = torch.Generator().manual_seed(0)
    own = torch.rand(2, num_pieces, generator=random) < 0.3
    logits = [torch.where(bad, 2.0, -2.0)[:, None] + torch.randn(num_pieces, 1, generator=random) for bad in own]
    tokens = [torch.randn(num_pieces, 2, 8, generator=random) for _ in own]
    targets = torch.stack([own.any(0), own[0], own[1]]).float()[:, :, None]
    encodings = Encodings(tuple(tokens), tuple(logits), torch.ones(num_pieces, 2))
    return Lesson(encodings, SETS, (True, False, False), targets, own.float())


def fitted(seed=0):
    torch.set_num_threads(1)
    groups = [{"image": f"i{n % 20}", "signal": f"s{n % 11}"} for n in range(80)]
    return fit_head(FORM, lesson(), groups, SETTINGS, seed, lambda done, total: None)


def test_every_piece_is_scored_for_every_set_by_a_head_that_saw_none_of_its_groups():
    found = fitted()
    assert found.logits.shape == (3, 80)
    assert found.logits.isfinite().all()


def test_the_steps_are_those_with_the_lowest_loss_on_unseen_groups():
    found = fitted()
    assert set(found.losses) == {0, 3, 6}
    assert found.losses[found.steps] == min(found.losses.values())


def test_the_same_seed_gives_the_same_head():
    first, second = fitted(3), fitted(3)
    assert torch.equal(first.logits, second.logits)
    state = second.head.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in first.head.state_dict().items())


def test_scores_of_one_modality_do_not_depend_on_the_other():
    found, own = fitted(), lesson()
    alone = found.head(
        own.encodings.tokens,
        own.encodings.logits,
        torch.tensor([1.0, 0.0]).expand(80, 2),
    ).logits[:, 0]
    read = own.encodings.read(found.head, SETS[1]).logits[:, 0]
    assert np.abs((alone - read).detach().numpy()).max() < 1e-6
