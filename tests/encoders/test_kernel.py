"""A kernel machine gives the same outputs in ONNX Runtime and torch, and localises the evidence for its log-odds."""

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch

from encoders.audio import MelForm
from encoders.kernel import Describer, KernelEncoder, Machine, NetworkProfile, relevance
from encoders.profiles import MAP_SIDE_PX, MapProfile, Profile, SoundProfile, TraceProfile
from encoders.vision import Weights
from inspector.bundle.schema import ImageInput
from inspector.training.export import to_onnx

pytestmark = pytest.mark.train

TOKEN_DIM, NUM_CLASSES = 8, 2
PICTURE = ImageInput(tile_height_px=64, tile_width_px=64)
CASES = ("fine map", "fine sound", "trace", "network")


def describer(name: str) -> tuple[Describer, torch.Tensor]:
    """With five recordings for it."""
    random = torch.Generator().manual_seed(1)
    match name:
        case "fine map":
            maps = torch.randint(-1, 2, (5, 1, 1, MAP_SIDE_PX, MAP_SIDE_PX), generator=random).float()
            return MapProfile(-0.5, 0.5, fine=True), maps
        case "fine sound":
            form = MelForm(16000, num_mels=24, max_hz=7200)
            return SoundProfile(form, fine=True), torch.randn(5, 2, 4096, generator=random)
        case "trace":
            return TraceProfile(96), torch.randn(5, 2, 96, generator=random)
    torch.manual_seed(0)
    network = NetworkProfile("test_efficientnet", PICTURE, Weights(), (1, 2))
    return network.eval(), torch.randn(5, 1, 3, 64, 64, generator=random)


def machine(width: int, num_supports: int = 7) -> Machine:
    rng = np.random.default_rng(0)
    return Machine(
        centre=rng.normal(size=width).astype(np.float32),
        scale=rng.uniform(0.5, 2, width).astype(np.float32),
        supports=rng.normal(size=(num_supports, width)).astype(np.float32),
        weights=rng.normal(size=(num_supports, 1 + NUM_CLASSES)).astype(np.float32),
        bias=np.array([0.5, -4, -4], np.float32),
        gamma=0.5 / width,
        usual=rng.normal(size=width).astype(np.float32),
        directions=rng.normal(size=(width, 3)).astype(np.float32),
    )


def fitted(name: str, num_supports: int = 7) -> tuple[KernelEncoder, torch.Tensor]:
    module, recordings = describer(name)
    with torch.no_grad():
        profile: Profile = module(recordings)
    encoder = KernelEncoder(module, TOKEN_DIM, NUM_CLASSES)
    encoder.load_machine(machine(profile.vector.shape[1], num_supports))
    return encoder.eval(), recordings


@pytest.mark.parametrize("name", CASES)
def test_the_exported_machine_answers_as_torch_does(name: str, tmp_path: Path) -> None:
    encoder, recordings = fitted(name)
    to_onnx(encoder, {"input": recordings[:2]}, ("tokens", "logits", "relevance"), tmp_path / "expert.onnx")
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    outputs = ort.InferenceSession(str(tmp_path / "expert.onnx"), options).run(None, {"input": recordings.numpy()})
    with torch.no_grad():
        expected = encoder(recordings)
    assert expected.logits.std(0).min() > 1e-3
    for tensor, output in zip(expected, outputs, strict=True):
        assert np.abs(tensor.numpy() - output).max() < 1e-4


@pytest.mark.parametrize(("name", "size"), [("fine map", (48, 48)), ("fine sound", (24, 33)), ("trace", (1, 48))])
def test_a_recording_is_one_token_and_its_relevance_has_a_place_for_every_cell(
    name: str, size: tuple[int, int]
) -> None:
    encoder, recordings = fitted(name)
    with torch.no_grad():
        tokens, logits, relevance = encoder(recordings)
    assert tokens.shape == (5, encoder.num_tokens, TOKEN_DIM) == (5, 1, TOKEN_DIM)
    assert logits.shape == (5, 1 + NUM_CLASSES)
    assert relevance.shape[0] == 5
    assert (relevance.shape[1], relevance.shape[2]) == size
    assert (tokens[:, :, 3:] == 0).all()  # Three directions, the rest of the token is empty.


def test_a_feature_s_part_is_its_gradient_times_its_deviation_from_the_usual() -> None:
    encoder, recordings = fitted("trace")
    with torch.no_grad():
        vector = encoder.describer(recordings).vector
    standard = ((vector - encoder.get_buffer("centre")) / encoder.get_buffer("scale")).requires_grad_()
    near = torch.exp(
        -encoder.get_buffer("gamma") * (standard[:, None] - encoder.get_buffer("supports")).square().sum(2)
    )
    (gradient,) = torch.autograd.grad((near @ encoder.get_buffer("weights"))[:, 0].sum(), standard)
    expected = gradient * (standard - encoder.get_buffer("usual"))
    assert expected.abs().max() > 1e-3
    assert torch.allclose(encoder.parts(standard, near), expected, atol=1e-5)


@pytest.mark.parametrize("name", ["fine sound", "trace", "fine map"])
def test_no_part_is_lost_on_its_way_to_the_places(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Means of neighbours shift a little at the rim and are left out here."""
    monkeypatch.setattr("encoders.profiles.near", lambda places, *_: places)
    module, recordings = describer(name)
    with torch.no_grad():
        profile = module(recordings)
        parts = torch.rand(profile.vector.shape, generator=torch.Generator().manual_seed(2))
        places = module.placed(profile, parts)
    assert torch.allclose(places.sum((1, 2)), parts.sum(1), rtol=1e-3)


def test_relevance_is_bounded_by_the_machine_s_certainty_and_zero_without_evidence() -> None:
    places = torch.tensor([[[-3.0, 1.0, 2.0]]] * 2 + [[[-3.0, -1.0, -2.0]]])
    sure, unsure, silent = relevance(places, torch.tensor([5.0, -3.0, 5.0]))
    assert sure[0].tolist() == pytest.approx([0.018, 0.497, 0.975], abs=0.001)
    assert unsure.max() < 0.05
    assert silent.max() < 0.05


def test_a_checkpoint_without_the_usual_is_read() -> None:
    saved, recordings = fitted("trace")
    state = saved.state_dict()
    del state["usual"]
    state |= {"usual.mean": torch.zeros(1, 1, 48), "usual.spread": torch.ones(1, 1, 48)}
    fresh = KernelEncoder(describer("trace")[0], TOKEN_DIM, NUM_CLASSES).eval()
    fresh.load_state_dict(state)
    with torch.no_grad():
        assert torch.equal(fresh(recordings).logits, saved(recordings).logits)


def test_a_machine_of_another_size_is_read_from_a_checkpoint() -> None:
    saved, recordings = fitted("fine map", num_supports=11)
    fresh = KernelEncoder(describer("fine map")[0], TOKEN_DIM, NUM_CLASSES).eval()
    fresh.load_state_dict(saved.state_dict())
    with torch.no_grad():
        for before, after in zip(saved(recordings), fresh(recordings), strict=True):
            assert torch.equal(before, after)


def test_a_fine_map_profile_sees_radius_and_side_of_marks() -> None:
    maps = torch.zeros(2, 1, 1, MAP_SIDE_PX, MAP_SIDE_PX)
    maps[0, 0, 0, 22:26, 22:26] = 1.0
    maps[1, 0, 0, 2:6, 22:26] = 1.0
    inner, outer = MapProfile(-0.5, 0.5, fine=True)(maps).vector
    assert (int(inner[:6].argmax()), int(outer[:6].argmax())) == (0, 4)
    assert outer[8] > 1.5 * inner[8]  # Spread over sectors.


def test_a_fine_sound_profile_tells_early_from_late() -> None:
    wave = 0.01 * torch.randn(2, 1, 8192, generator=torch.Generator().manual_seed(0))
    click = torch.sin(torch.arange(800) * 2 * torch.pi * 2000 / 16000)
    wave[0, 0, :800] += click
    wave[1, 0, -800:] += click
    num_mels = 24
    plain, fine = (
        SoundProfile(MelForm(16000, num_mels=num_mels, max_hz=7200), fine=is_fine) for is_fine in (False, True)
    )
    (early, late), (early_plain, late_plain) = fine(wave).vector, plain(wave).vector
    first, last = slice(3 * num_mels, 4 * num_mels), slice(5 * num_mels, 6 * num_mels)
    assert (early[first].max() - late[first].max()) > 1
    assert (late[last].max() - early[last].max()) > 1
    assert (early_plain - late_plain).abs().max() < 1
