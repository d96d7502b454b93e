"""Usual distances are measured on recordings that are not in the memory bank."""

import pytest
import torch

from encoders.profiles import Profile, TraceProfile
from inspector.training.good_only.memory_bank import coreset, fit_profiles

pytestmark = pytest.mark.train


def profiles(vectors):
    return Profile(vectors, vectors[:, None, None])


def test_a_coreset_takes_the_far_corners_first():
    torch.manual_seed(0)
    rows = 0.01 * torch.randn(200, 2)
    corners = torch.tensor([[5.0, 0.0], [-5.0, 0.0], [0.0, 5.0]])
    chosen = coreset(torch.cat([rows, corners]), 4)
    assert set(chosen.tolist()) >= {200, 201, 202}


def test_a_coreset_of_few_rows_is_all_of_them():
    assert coreset(torch.zeros(3, 2), 10).tolist() == [0, 1, 2]


def test_what_lies_apart_from_all_good_ones_gets_high_log_odds():
    torch.manual_seed(0)
    good = torch.randn(60, 12)
    fitted = fit_profiles(TraceProfile(12), profiles(good[:50]), [str(n) for n in range(50)], 4)
    usual = fitted.module.read(profiles(good[50:])).logits
    strange = fitted.module.read(profiles(good[50:] + 6)).logits
    assert strange.min() > 0 > usual.median()


@pytest.mark.parametrize("apart", [True, False])
def test_twins_vouch_for_each_other_only_across_groups(apart):
    """Doubled recordings in one group have far distances to the rest; in two groups almost none."""
    torch.manual_seed(0)
    pairs = torch.randn(20, 12).repeat_interleave(2, 0)
    # With these names, the two copies fall into different folds if their groups differ.
    groups = [f"{n:02}" if apart else f"{n // 2:02}" for n in range(40)]
    module = fit_profiles(TraceProfile(12), profiles(pairs + 1e-3 * torch.randn(40, 12)), groups, 4).module
    typical = float(module.near_exceedance.get_buffer("centre").exp())  # type: ignore[union-attr]
    alone = torch.cdist(pairs[::2], pairs[::2]).sort(1).values[:, 1:4].mean()
    assert (typical < 0.9 * float(alone)) == apart
