"""Each expert is put on the scale of log-odds, as plain noisy-or does it."""

import numpy as np
import pytest

from inspector.training.experts.scale import UNCHANGED, log_slope, platt, scaled


def test_a_wrong_scale_is_corrected():
    random = np.random.default_rng(0)
    odds = 2 * random.standard_normal(4000)
    labels = random.random(4000) < 1 / (1 + np.exp(-odds))
    sigmoid = platt(4 * odds + 3, labels)
    assert np.exp(log_slope(sigmoid)) == pytest.approx(0.25, rel=0.1)
    assert sigmoid.bias == pytest.approx(-0.75, abs=0.2)


def test_only_pieces_that_are_used_set_the_scale():
    logits = np.array([2.0, 1.0, -1.0, -2.0, np.nan, 90.0])
    labels = np.array([True, False, True, False, True, False])
    used = np.arange(6) < 4
    sigmoid = platt(logits[:4], labels[:4])
    expected = logits / sigmoid.temperature + sigmoid.bias
    assert scaled(logits, labels, used) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("label", [True, False])
def test_recordings_of_one_label_leave_an_expert_as_it_is(label):
    assert platt(np.array([1.0, 2.0]), np.full(2, label)) == UNCHANGED
