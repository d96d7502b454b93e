"""The head starts as noisy-or, and absent modalities do not affect it."""

import itertools
from dataclasses import replace

import numpy as np
import onnxruntime as ort
import pytest
import torch

from fusion.attention import ModalityAwareAttention
from fusion.gate import ABSENT, masked_softmax
from fusion.head import FusionHead, HeadForm, Member, noisy_or
from inspector.training.export import FlatHead, head_inputs, to_onnx

pytestmark = pytest.mark.train

FORM = HeadForm((Member("camera", 4), Member("camera", 6), Member("ear", 5), Member("shaker", 3)), 8, 2)
COMPARED = replace(FORM, pairs=((0, 2), (2, 3)))
OWNERS = [0, 0, 1, 2]
PRESENCES = [list(map(float, bits)) for bits in itertools.product((0, 1), repeat=4) if any(bits)]


def evidence(batch=3, seed=0):
    random = torch.Generator().manual_seed(seed)
    tokens = [torch.randn(batch, member.num_tokens, 8, generator=random) for member in FORM.members]
    return tokens, [3 * torch.randn(batch, 3, generator=random) for _ in FORM.members]


def trained():
    """A head with every parameter moved from where it starts."""
    torch.manual_seed(1)
    head = FusionHead(COMPARED).eval()
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return head


def odds_of_any(probabilities):
    return 1 - np.prod([1 - p for p in probabilities], axis=0)


@pytest.mark.parametrize("present", PRESENCES)
def test_an_untrained_head_is_noisy_or_over_the_modalities_present(present):
    torch.manual_seed(0)
    tokens, logits = evidence()
    with torch.no_grad():
        fused = FusionHead(FORM).eval()(tokens, logits, torch.tensor([present] * 3))
    by_modality = []
    for modality in range(3):
        present_logits = [logits[i] for i in range(4) if OWNERS[i] == modality and present[i]]
        if present_logits:
            by_modality.append(torch.sigmoid(torch.stack(present_logits).mean(0)).numpy().astype(np.float64))
    assert torch.sigmoid(fused.logits).numpy() == pytest.approx(odds_of_any(by_modality), abs=1e-5)


@pytest.mark.parametrize("present", PRESENCES)
def test_absent_modalities_have_no_influence(present):
    head, here = trained(), torch.tensor([present] * 3)
    (tokens, logits), (other_tokens, other_logits) = evidence(), evidence(seed=7)
    changed_tokens = [kept if p else other for kept, other, p in zip(tokens, other_tokens, present, strict=True)]
    changed_logits = [kept if p else other for kept, other, p in zip(logits, other_logits, present, strict=True)]
    with torch.no_grad():
        first, second = head(tokens, logits, here), head(changed_tokens, changed_logits, here)
    assert torch.allclose(first.logits, second.logits, atol=1e-6)
    assert torch.allclose(first.gate, second.gate, atol=1e-7)


@pytest.mark.parametrize("present", PRESENCES)
def test_gate_weights_sum_to_one_over_the_present_experts(present):
    tokens, logits = evidence()
    with torch.no_grad():
        gate = trained()(tokens, logits, torch.tensor([present] * 3)).gate
    assert gate.sum(1) == pytest.approx(np.ones(3), abs=1e-6)
    assert (gate[:, torch.tensor(present) == 0] == 0).all()


@pytest.mark.parametrize("logit", [-30.0, -12.0, 0.0, 12.0, 30.0])
@pytest.mark.parametrize("other", [-30.0, 0.0, 30.0])
def test_noisy_or_keeps_its_precision_at_both_ends(logit, other):
    a, b = np.exp(np.float64(logit)), np.exp(np.float64(other))
    fused = noisy_or(torch.tensor([[logit]]), torch.tensor([[other]]))
    assert fused.item() == pytest.approx(np.log(a + b + a * b), abs=1e-4)


def test_a_contradicting_pair_makes_a_piece_defective_if_both_ran():
    torch.manual_seed(0)
    head, (tokens, _) = FusionHead(COMPARED).eval(), evidence()
    quiet = [torch.full((3, 3), -8.0) for _ in tokens]
    with torch.no_grad():
        slope, bias = (head.agreements[0].get_parameter(name) for name in ("slope", "bias"))
        slope[0], bias[0] = 0.0, 5.0
        both, one = (
            head(tokens, quiet, torch.tensor([present] * 3)).logits for present in ([1.0, 0, 1, 0], [1.0, 0, 0, 1])
        )
    assert both[:, 0] == pytest.approx(np.full(3, 5.0), abs=0.01)
    assert (one[:, 0] < -6).all(), "the third member did not run: there is nothing to compare the first with"


def test_noisy_or_with_an_absent_input_changes_nothing():
    values = torch.tensor([[-25.0, 0.1, 25.0]])
    assert torch.equal(noisy_or(values, torch.full((1, 3), ABSENT)), values)


def test_a_head_without_any_expert_answers_a_number():
    tokens, logits = evidence()
    with torch.no_grad():
        fused = trained()(tokens, logits, torch.zeros(3, 4))
    assert fused.logits.isfinite().all()
    assert (fused.gate == 0).all()


def test_masked_softmax_gives_nothing_to_the_absent_even_with_the_highest_score():
    weights = masked_softmax(torch.tensor([[50.0, 0.0, 0.0]]), torch.tensor([[0.0, 1.0, 1.0]]))
    assert weights.tolist() == [[0.0, 0.5, 0.5]]


def test_the_penalty_holds_across_modalities_only():
    attention = ModalityAwareAttention(4, [0, 0, 1])
    with torch.no_grad():
        attention.penalty.fill_(2.0)
    across = -torch.nn.functional.softplus(torch.tensor(2.0)).item()
    assert attention._penalties().tolist() == pytest.approx(
        np.array([[0, 0, across], [0, 0, across], [across, across, 0]])
    )


def test_a_high_penalty_leaves_each_modality_to_itself():
    torch.manual_seed(0)
    attention = ModalityAwareAttention(4, [0, 0, 1])
    tokens = torch.randn(1, 3, 4)
    with torch.no_grad():
        attention.penalty.fill_(1e4)
        alone = attention(tokens, torch.tensor([[1.0, 1.0, 0.0]]))
        together = attention(tokens, torch.ones(1, 3))
    assert torch.allclose(alone[:, :2], together[:, :2], atol=1e-6)


def test_every_part_of_the_head_can_learn():
    torch.manual_seed(0)
    head, (tokens, logits) = trained(), evidence()
    head(tokens, logits, torch.ones(3, 4)).logits.square().sum().backward()
    still = [name for name, value in head.named_parameters() if value.grad is None or not value.grad.any()]
    # The diagonal of the penalty and a key's bias cannot change anything, but their tensors have other entries.
    assert still in ([], ["attention.key.bias"])


def test_the_exported_head_answers_as_torch_does(tmp_path):
    head, (tokens, logits) = trained(), evidence(batch=len(PRESENCES))
    names = head_inputs(["glance", "gaze", "ear", "touch"])
    inputs = dict(zip(names, [*tokens, *logits, torch.tensor(PRESENCES)], strict=True))
    to_onnx(
        FlatHead(head), {name: value[:2] for name, value in inputs.items()}, ("logits", "gate"), tmp_path / "h.onnx"
    )
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(tmp_path / "h.onnx"), options)
    logits_onnx, gate_onnx = session.run(None, {name: value.numpy() for name, value in inputs.items()})
    with torch.no_grad():
        expected = head(tokens, logits, torch.tensor(PRESENCES))
    assert np.abs(expected.logits.numpy() - logits_onnx).max() < 1e-4
    assert np.abs(expected.gate.numpy() - gate_onnx).max() < 1e-5
