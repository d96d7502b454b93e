"""The head is fitted for as long as it helps on unseen groups, and not at all where nothing helps."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from fusion.head import HeadForm, Member
from inspector.statistics.classification import cross_entropy
from inspector.statistics.evidence import MIN_DEFECTS, Rule
from inspector.training.config import HeadFitting
from inspector.training.head.choose_steps import NOISY_OR
from inspector.training.head.cross_fit import CrossFit, fused_units
from inspector.training.head.fit import fit_head
from inspector.training.head.head_data import Encodings, HeadData
from inspector.training.head.head_run import HeadRun
from inspector.training.head.recalibrate import recalibrated

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
    own_groups = torch.stack([torch.arange(num_pieces), torch.arange(num_pieces)])
    return HeadData(encodings, SETS, (True, False, False), targets, bad_labels.float(), own_groups)


def fitted(seed=0, data=None, settings=SETTINGS, groups=None, rule=Rule.BOUND):
    torch.set_num_threads(1)
    data = data or head_data()
    groups = groups or [{"image": f"i{n}", "signal": f"s{n}"} for n in range(data.targets.shape[1])]
    return fit_head(FORM, data, groups, settings, seed, lambda done, total: None, rule)


def test_every_piece_is_scored_for_every_set_by_a_head_that_saw_none_of_its_groups():
    fit_result = fitted()
    assert fit_result.logits.shape == (3, 80)
    assert fit_result.logits.isfinite().all()


def hinted():
    """The tokens of one modality also contain the label, which the log-odds of the experts hardly show."""
    data, random = head_data(), torch.Generator().manual_seed(1)
    tokens = data.encodings.tokens[0] + 6 * (data.targets[0][:, :, None] - 0.5) * torch.eye(8)[0]
    logits = tuple(values + 3 * torch.randn(values.shape, generator=random) for values in data.encodings.logits)
    return replace(data, encodings=replace(data.encodings, tokens=(tokens, data.encodings.tokens[1]), logits=logits))


LONGER = HeadFitting(max_steps=60, check_every=20, num_folds=3, learning_rate=6e-3)


@pytest.mark.parametrize("rule", list(Rule))
def test_steps_that_independent_recordings_bear_out_are_taken_by_their_weight(rule):
    fit_result = fitted(data=hinted(), settings=LONGER, rule=rule)
    assert set(fit_result.losses) == {0, 20, 40, 60}
    assert fit_result.steps > 0
    assert 0.5 < fit_result.weight < 1
    (choice,) = fit_result.choices
    assert choice.chosen == f"{fit_result.weight:.2f} of the way to {fit_result.steps} steps"
    assert choice.gain is not None
    assert choice.gain.low > 0


@pytest.mark.parametrize("rule", list(Rule))
def test_where_tokens_tell_nothing_the_head_stays_noisy_or(rule):
    fit_result = fitted(settings=LONGER, rule=rule)
    assert fit_result.steps == 0
    assert fit_result.choices[0].chosen == NOISY_OR
    assert fit_result.weight == 1.0


def test_a_gain_on_few_pictures_that_recur_in_many_pieces_moves_nothing():
    data = replace(hinted(), own_groups=torch.stack([torch.arange(80) % 9, torch.arange(80)]))
    fit_result = fitted(data=data, settings=LONGER)
    assert (fit_result.steps, set(fit_result.losses)) == (0, {0})
    assert f"and {MIN_DEFECTS} are needed" in fit_result.choices[0].line()


def test_the_reported_outputs_are_those_of_heads_shrunk_as_the_one_that_ships():
    data = head_data()
    run = HeadRun(FORM, data, LONGER, 0)
    run.walk([20])
    start, half, whole = (run.outputs(data.encodings, 20, weight) for weight in (0.0, 0.5, 1.0))
    assert torch.equal(start, run.outputs(data.encodings, 0))
    assert (whole - start).abs().max() > 0.01
    assert (half - start).abs().mean() < (whole - start).abs().mean()


def test_the_loss_is_that_of_sets_that_cover_everything_and_of_pieces_that_are_known():
    data = head_data()
    data.targets[0, :10] = torch.nan
    pairs = [(list(range(40)), list(range(40, 80))), (list(range(40, 80)), list(range(40)))]
    runs = [HeadRun(FORM, data.of(torch.tensor(fit)), SETTINGS, 0) for fit, _ in pairs]
    folds = CrossFit(data, pairs, runs)
    assert folds.scores(0).shape == (1, 80)
    assert np.isnan(folds.losses(0)).tolist() == [True] * 10 + [False] * 70
    assert cross_entropy(np.zeros((2, 3)), np.array([True, False, True])) == pytest.approx([math.log(2)] * 3)


def test_a_bolder_scale_alone_is_no_gain():
    random = np.random.default_rng(0)
    labels = random.random(300) < 0.5
    logits = np.where(labels, 1.0, -1.0) + random.standard_normal(300)
    plain, bold = (recalibrated(factor * logits, labels) for factor in (1.0, 4.0))
    assert np.abs(plain - bold).max() < 0.01


def test_kinds_that_divide_the_pieces_alike_are_one_unit_and_a_single_lot_is_none():
    groups = [{"image": f"p{n}", "signal": f"p{n}", "lot": "only"} for n in range(3)]
    assert fused_units(groups) == [{f"image=p{n}"} for n in range(3)]
    crossed = [{"image": "a", "signal": "x"}, {"image": "a"}, {"image": "b", "signal": "y"}]
    assert fused_units(crossed) == [{"image=a", "signal=x"}, {"image=a"}, {"image=b", "signal=y"}]


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
