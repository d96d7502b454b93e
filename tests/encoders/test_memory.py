"""Memories of good parts: textbook distances, and equal encoder outputs in torch and ONNX Runtime."""

import numpy as np
import onnxruntime as ort
import pytest
import torch

from encoders.audio import MelForm
from encoders.memory import Bank, Exceedance, most_unusual
from encoders.patches import FilterPatches, gabor_filters
from encoders.profiles import MAP_SIDE_PX, MapProfile, SoundProfile, TraceProfile
from inspector.training.export import to_onnx
from inspector.training.good_only.memory_bank import fit_patches, fit_profiles

pytestmark = pytest.mark.train
WIDTH = 8


@pytest.mark.parametrize("k", [1, 3])
def test_a_bank_gives_the_mean_distance_to_the_nearest_entries(k):
    torch.manual_seed(0)
    rows, entries = torch.randn(5, 4), torch.randn(20, 4)
    bank = Bank(torch.zeros(4), torch.eye(4), entries, k)
    expected = torch.cdist(rows, entries).sort(1).values[:, :k].mean(1)
    assert torch.allclose(bank(bank.whitened(rows)), expected, atol=1e-4)


def test_one_entry_at_the_mean_is_mahalanobis_distance():
    torch.manual_seed(0)
    rows = torch.randn(50, 3) @ torch.tensor([[2.0, 1, 0], [0, 1, 0], [0, 0, 0.1]])
    inverse = torch.linalg.inv(torch.cov(rows.T))
    bank = Bank(rows.mean(0), torch.linalg.cholesky(inverse), torch.zeros(1, 3))
    centred = rows - rows.mean(0)
    assert torch.allclose(bank(bank.whitened(rows)), ((centred @ inverse) * centred).sum(1).sqrt(), atol=1e-4)


def test_an_entry_itself_is_at_the_least_distance_that_rounding_leaves():
    torch.manual_seed(0)
    entries = 10 * torch.randn(4, 6)
    assert torch.allclose(Bank(torch.zeros(6), torch.eye(6), entries)(entries), torch.full((4,), 6e-4).sqrt())


def test_one_unusual_place_among_many_counts():
    usual = torch.ones(2, 100)
    usual[1, 17] = 50.0
    first, second = most_unusual(usual)
    assert second > 3 * first


def test_held_out_pieces_themselves_are_standard():
    held = torch.tensor([1.0, 2.0, 3.0, 4.0])
    exceeding = Exceedance(held)(held)
    assert float(exceeding.mean()) == pytest.approx(0, abs=1e-6)
    assert float(exceeding.std()) == pytest.approx(1)


def test_filters_do_not_answer_to_light():
    assert torch.allclose(gabor_filters().sum((1, 2, 3)), torch.zeros(12), atol=1e-6)


def fitted(kind):
    """A memory of twelve random recordings, a probe of two, and the places of its relevance."""
    torch.manual_seed(0)
    groups = [str(number) for number in range(12)]
    describer: MapProfile | SoundProfile | TraceProfile
    match kind:
        case "filters":
            filters, good, places = FilterPatches(), torch.randn(12, 1, 1, 64, 96), (4, 6)
            return fit_patches(filters, filters(good), groups, WIDTH).module, good.flip(3)[:2], places
        case "map":
            describer, good = MapProfile(-0.5, 0.5), torch.randint(-1, 2, (12, 1, 1, MAP_SIDE_PX, MAP_SIDE_PX)).float()
            places = (MAP_SIDE_PX, MAP_SIDE_PX)
        case "sound":
            form = MelForm(16000, num_mels=24, max_hz=7200)
            describer, good, places = SoundProfile(form), torch.randn(12, 2, 2048), (24, 17)
        case _:
            describer, good, places = TraceProfile(152), torch.randn(12, 1, 152), (1, 48)
    return fit_profiles(describer, describer(good), groups, WIDTH).module, good.flip(-1)[:2], places


@pytest.mark.parametrize("kind", ["filters", "map", "sound", "trace"])
def test_outputs_are_as_promised(kind):
    module, probe, places = fitted(kind)
    with torch.no_grad():
        encoded = module(probe)
    assert encoded.tokens.shape == (2, module.num_tokens, WIDTH)
    assert encoded.logits.shape == (2, 1)
    assert encoded.relevance.shape == (2, *places)
    assert (encoded.relevance >= 0).all()


@pytest.mark.parametrize("kind", ["filters", "map"])
def test_the_graph_gives_the_outputs_of_torch(kind, tmp_path):
    module, probe, _ = fitted(kind)
    to_onnx(module, {"input": probe}, ("tokens", "logits", "relevance"), tmp_path / "graph.onnx")
    session = ort.InferenceSession(str(tmp_path / "graph.onnx"), providers=["CPUExecutionProvider"])
    alone = session.run(None, {"input": probe[:1].numpy()})
    with torch.no_grad():
        encoded = module(probe)
    for theirs, ours in zip(alone, encoded, strict=True):
        np.testing.assert_allclose(theirs, ours[:1].numpy(), rtol=1e-3, atol=2e-3)
