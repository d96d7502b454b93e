"""Low-rank updates: which layers take them, what merging leaves behind, and how few recordings are too few."""

import onnx
import pytest
import timm
import torch
from torch import nn

from encoders.vision import Shape, VisionEncoder, Weights
from inspector.bundle.schema import ImageInput
from inspector.training.config import ImageExpert
from inspector.training.errors import LoraError
from inspector.training.experts.lora import LowRank, lora_targets, num_trainable, tuned, tuning_of
from inspector.training.experts.network import EncoderFit, Recordings, Schedule, encode
from inspector.training.export import to_onnx

pytestmark = pytest.mark.train

FORM = ImageInput(tile_height_px=32, tile_width_px=32, num_channels=3)
CONFIG = ImageExpert(
    name="top-full", modality="top", scout=False, encoder="test_efficientnet", num_channels=3, height_px=32, width_px=32
)
LAYERS = nn.ModuleDict(
    {
        "linear": nn.Linear(4, 4),
        "pointwise": nn.Conv2d(4, 4, 1),
        "depthwise": nn.Conv2d(4, 4, 1, groups=4),
        "grouped": nn.Conv2d(4, 4, 1, groups=2),
        "spatial": nn.Conv2d(4, 4, 3),
        "norm": nn.BatchNorm2d(4),
    }
)


def encoder():
    torch.manual_seed(0)
    return VisionEncoder(Shape("test_efficientnet"), FORM, Weights(), token_dim=8, num_classes=1).eval()


def disturb(module):
    """Updates start as nothing: gives them something to merge."""
    torch.manual_seed(1)
    for name, parameter in module.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.05)


def test_linear_and_pointwise_layers_take_updates():
    assert lora_targets(LAYERS) == ("linear", "pointwise")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("depthwise", "4 groups"),
        ("grouped", "2 groups"),
        ("spatial", "3x3"),
        ("norm", "BatchNorm2d"),
        ("typo", "no such"),
    ],
)
def test_refuses_by_name_what_cannot_be_merged(name, reason):
    with pytest.raises(LoraError, match=rf"{name} \(.*{reason}"):
        lora_targets(LAYERS, ["linear", name])


def test_a_network_without_such_layers_is_refused():
    with pytest.raises(LoraError, match="fit it whole"):
        lora_targets(nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3)))


def test_only_named_layers_are_updated_even_where_others_end_alike():
    module = encoder()
    module.backbone = nn.ModuleDict({"fc": nn.Linear(4, 4), "deep": nn.ModuleDict({"fc": nn.Linear(4, 4)})})
    LowRank(module, rank=2, targets=["fc"])
    assert {name.split(".lora_A")[0] for name, _ in module.backbone.named_parameters() if "lora_A" in name} == {"fc"}


def test_merged_encoder_answers_as_the_adapted_one():
    module, pictures = encoder(), torch.rand(3, 1, 3, 32, 32)
    before, names = module(pictures), list(module.state_dict())
    updates = LowRank(module)
    disturb(module)
    module.eval()
    adapted = module(pictures)
    updates.merge()
    merged = module.eval()(pictures)
    assert (adapted.logits - before.logits).abs().max() > 1e-3
    torch.testing.assert_close(merged.logits, adapted.logits, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(merged.tokens, adapted.tokens, atol=1e-4, rtol=1e-4)
    assert list(module.state_dict()) == names


def test_a_vision_transformer_merges_too():
    torch.manual_seed(0)
    module = encoder()
    module.backbone = timm.create_model("vit_tiny_patch16_224", img_size=32, num_classes=0).eval()
    assert "blocks.0.attn.qkv" in lora_targets(module.backbone)
    pictures, updates = torch.rand(2, 3, 32, 32), LowRank(module)
    disturb(module)
    adapted = module.backbone.eval()(pictures)
    updates.merge()
    torch.testing.assert_close(module.backbone.eval()(pictures), adapted, atol=1e-4, rtol=1e-4)


def test_exported_graph_has_no_more_convolutions_than_the_network(tmp_path):
    module = encoder()
    updates = LowRank(module)
    disturb(module)
    updates.merge()
    probe = {"input": torch.zeros(2, 1, 3, 32, 32)}
    to_onnx(module, probe, ("tokens", "logits", "relevance"), tmp_path / "expert.onnx")
    graph = onnx.load(tmp_path / "expert.onnx").graph
    names = [node.name for node in graph.node] + [tensor.name for tensor in graph.initializer]
    assert not [name for name in names if "lora" in name.lower()]
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    assert len(convolutions) == sum(isinstance(layer, nn.Conv2d) for layer in module.modules())


def test_fitting_moves_readout_and_updates_and_leaves_the_rest():
    module = encoder()
    still = {name: value.clone() for name, value in module.backbone.state_dict().items() if fixed(name)}
    last = lora_targets(module.backbone)[-1]
    pointwise = module.backbone.get_submodule(last).weight.clone()
    pictures, labels = torch.rand(24, 3, 32, 32), torch.arange(24) % 2
    pictures[labels == 1] += 1
    data = Recordings(pictures, torch.stack([labels, labels], 1).float())
    before = float(encode(module, pictures, FORM).logits[:, 0].std())
    with tuned(module, "lora"):
        EncoderFit(module, CONFIG, FORM).run(data, data, Schedule(3, 5e-3, 8), lambda done, total: None)
    state = module.backbone.state_dict()
    assert {name.rpartition(".")[2] for name in still} >= {"weight", "running_mean"}
    assert all(torch.equal(state[name], value) for name, value in still.items())
    assert not torch.equal(module.backbone.get_submodule(last).weight, pointwise)
    assert float(encode(module, pictures, FORM).logits[:, 0].std()) > before


def fixed(name):
    return "conv_stem" in name or "running" in name


@pytest.mark.parametrize("tuning", ["frozen", "full"])
def test_other_tunings_leave_the_network_as_it_is(tuning):
    module = encoder()
    names = list(module.state_dict())
    with tuned(module, tuning):
        assert list(module.state_dict()) == names


def test_a_network_that_is_not_from_timm_takes_no_updates():
    with pytest.raises(LoraError, match="Linear has no backbone"), tuned(nn.Linear(2, 2), "lora"):
        pass


def test_updates_are_fewer_parameters_than_the_network():
    module = encoder()
    whole = num_trainable(module)
    LowRank(module, rank=2)
    assert num_trainable(module) < whole / 2


@pytest.mark.parametrize(
    ("changes", "recordings", "tuning", "warned"),
    [
        ({}, 999, "lora", "is fitted with LoRA"),
        ({}, 1000, "full", None),
        ({"freeze": True}, 126, "frozen", None),
        ({"tuning": "full"}, 126, "full", "as configured"),
        ({"tuning": "full"}, 5000, "full", None),
        ({"tuning": "lora", "freeze": True}, 126, "lora", None),
        ({"encoder": "tiny"}, 126, "full", None),
    ],
)
def test_few_recordings_prefer_lora_unless_overruled(changes, recordings, tuning, warned):
    choice = tuning_of(CONFIG.model_copy(update=changes), recordings)
    assert choice.tuning == tuning
    assert (choice.warning is None) == (warned is None)
    assert (warned or "") in (choice.warning or "")
