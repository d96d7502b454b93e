"""Profiles of maps, sounds and traces react to relevant changes and ignore irrelevant ones."""

import numpy as np
import pytest
import torch

from encoders.audio import MelForm
from encoders.profiles import (
    MAP_SIDE_PX,
    NUM_RINGS,
    MapProfile,
    SoundProfile,
    TraceProfile,
    by_maximum,
    by_mean,
    by_spread,
    map_levels,
    near,
    rings,
)

pytestmark = pytest.mark.train


def test_rings_share_the_inscribed_circle_equally_and_leave_nothing_out():
    masks = rings()
    assert (masks.sum(0) == 1).all()
    inner = masks[:-1].sum(1)
    assert torch.allclose(inner, inner.mean(), rtol=0.05)


def test_marks_side_by_side_are_denser_than_scattered_ones():
    maps = torch.zeros(2, 1, 1, MAP_SIDE_PX, MAP_SIDE_PX)
    maps[0, 0, 0, 20:25, 20:25] = 1.0
    maps[1, 0, 0, 4:44:8, 4:44:8] = 1.0
    assert maps[0].sum() == maps[1].sum()
    together, scattered = MapProfile(-0.5, 0.5)(maps).vector
    assert (together[NUM_RINGS:] > 1.5 * scattered[NUM_RINGS:]).all()


def test_a_ring_full_of_marks_is_seen_in_its_share():
    maps = rings().reshape(NUM_RINGS, 1, 1, MAP_SIDE_PX, MAP_SIDE_PX)
    shares = MapProfile(-0.5, 0.5)(maps).vector[:, :NUM_RINGS]
    assert torch.allclose(shares, torch.eye(NUM_RINGS), atol=0.01)


def test_loudness_changes_no_sound_profile_and_a_tone_does():
    torch.manual_seed(0)
    noise = torch.randn(1, 1, 4096)
    tone = noise + 3 * torch.sin(torch.arange(4096) * 2 * torch.pi * 2000 / 16000)
    profile = SoundProfile(MelForm(16000, num_mels=24, max_hz=7200))
    quiet, loud, ringing = (profile(wave).vector for wave in (noise, 4 * noise, tone))
    assert torch.allclose(quiet, loud, atol=1e-3)
    assert (ringing - quiet).abs().max() > 1


def test_a_trace_profile_tells_early_from_late():
    trace = torch.zeros(2, 1, 96)
    trace[0, 0, :10], trace[1, 0, -10:] = 1.0, 1.0
    early, late = TraceProfile(96)(trace).vector
    assert early[:5].tolist() == [1.0] * 5
    assert late[-5:].tolist() == [1.0] * 5


@pytest.mark.parametrize(("levels", "limits"), [((0.0, 0.5, 1.0), (0.25, 0.75)), ((0.0, 0.1, 0.2, 1.0), (0.05, 0.6))])
def test_the_lowest_level_is_outside_and_the_highest_marked(levels, limits):
    assert map_levels(np.array(levels)) == pytest.approx(limits)


@pytest.mark.parametrize(
    ("share", "expected"), [(by_mean, [2, 2, 2, 2]), (by_maximum, [0, 0, 0, 8]), (by_spread, [4, 0, 0, 4])]
)
def test_the_part_of_a_statistic_goes_to_the_places_that_determine_it(share, expected):
    values, parts = torch.tensor([[[1.0, 2, 2, 3]]]), torch.tensor([[8.0]])
    assert share(values, parts)[0, 0].tolist() == expected


def test_a_place_is_averaged_with_the_neighbours_that_it_has():
    places = torch.zeros(1, 1, 6)
    places[0, 0, 0] = 6
    assert near(places, 1, 3)[0, 0].tolist() == [3, 2, 0, 0, 0, 0]


def test_a_part_of_an_early_third_is_placed_early_and_in_its_band():
    profile = SoundProfile(MelForm(16000, num_mels=24, max_hz=7200), fine=True)
    described = profile(torch.randn(1, 1, 8192, generator=torch.Generator().manual_seed(0)))
    parts = torch.zeros_like(described.vector)
    parts[0, 3 * 24 + 10] = 1.0
    places = profile.placed(described, parts)[0]
    assert places.argmax() // places.shape[1] in range(8, 13)
    assert places[:, : places.shape[1] // 4].sum() > 0.5
    assert (places[:, places.shape[1] // 2 + 5 :] == 0).all()
