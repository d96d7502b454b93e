"""Each expert is put on the scale of log-odds, by groups and not by pieces, and near its own scale without evidence."""

import numpy as np
import pytest

from inspector.training.experts.scale import fit_sigmoid, group_weights


def test_a_picture_in_thirty_pieces_counts_as_one():
    assert group_weights(np.array([4, 4, 7, 4])).tolist() == pytest.approx([1 / 3, 1 / 3, 1, 1 / 3])
    random = np.random.default_rng(0)
    labels = random.random(60) < 0.4
    logits = np.where(labels, 1.0, -1.0) + random.standard_normal(60)
    often = np.repeat(np.arange(60), random.integers(1, 30, 60))
    alone = fit_sigmoid(logits, labels, np.ones(60))
    recurring = fit_sigmoid(logits[often], labels[often], group_weights(often))
    assert recurring == pytest.approx(alone, abs=1e-3)


def test_with_much_evidence_a_wrong_scale_is_corrected():
    random = np.random.default_rng(0)
    odds = 2 * random.standard_normal(4000)
    labels = random.random(4000) < 1 / (1 + np.exp(-odds))
    sigmoid = fit_sigmoid(4 * odds + 3, labels, np.ones(4000))
    assert np.exp(sigmoid.log_slope) == pytest.approx(0.25, rel=0.1)
    assert sigmoid.bias == pytest.approx(-0.75, abs=0.2)


def test_with_little_evidence_an_expert_keeps_its_own_scale():
    labels = np.array([True, True, False, False])
    sigmoid = fit_sigmoid(np.array([2.0, 1.0, -1.0, -2.0]), labels, np.ones(4))
    assert abs(sigmoid.log_slope) < 0.5
    assert abs(sigmoid.bias) < 0.5


@pytest.mark.parametrize("label", [True, False])
def test_recordings_of_one_label_leave_an_expert_as_it_is(label):
    assert fit_sigmoid(np.array([1.0, 2.0]), np.full(2, label), np.ones(2)) == (0.0, 0.0)
