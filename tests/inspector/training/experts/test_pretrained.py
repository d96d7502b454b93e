"""Files of `--weights` that this run cannot use are refused before anything is fitted, or warned of."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from inspector.training.config import ImageExpert, SignalExpert, TrainConfigError
from inspector.training.experts.defaults import SMALL_BACKBONE
from inspector.training.experts.pretrained import file_advice, unused_advice, weights_advice
from tests.inspector.training.small_training_data import TRACE

pytestmark = pytest.mark.train

NET = "test_efficientnet"
EXPERT = ImageExpert(name="top-full", modality="top", scout=False, encoder=NET, num_channels=3)
EAR = SignalExpert(name="ear", modality="mic", encoder="log_mel")


def state(name: str = NET) -> dict[str, torch.Tensor]:
    return dict(timm.create_model(name, pretrained=False).state_dict())


def file(folder: Path, tensors: dict[str, torch.Tensor]) -> Path:
    save_file(tensors, folder / "net.safetensors")
    return folder / "net.safetensors"


def test_the_file_of_a_model_that_an_expert_uses_is_fine(tmp_path: Path) -> None:
    path = file(tmp_path, state())
    assert list(weights_advice({NET: path}, [EXPERT, EAR])) == []
    assert list(file_advice(NET, path)) == []


@pytest.mark.parametrize(
    ("name", "experts", "words"),
    [
        ("resnet18", [], ("no expert of this run uses resnet18", SMALL_BACKBONE, 'encoder = "resnet18"')),
        ("tf_mobilenetv3_smal_075", [], ("is no timm model", f"did you mean {SMALL_BACKBONE}?")),
        ("resnet18", [EXPERT], ("no expert of this run uses resnet18", NET)),
        ("test_eficientnet", [EXPERT], ("is no timm model", f"did you mean {NET}?")),
        (NET, [EAR], (f"no expert of this run uses {NET}", "usable by the experts of the configuration: none")),
        ("tiny", [EXPERT.model_copy(update={"encoder": "tiny"})], ("is no timm model", "none")),
        (SMALL_BACKBONE, [EXPERT], ("no expert of this run uses", NET)),
    ],
)
def test_a_name_that_no_expert_can_use_is_refused(
    tmp_path: Path, name: str, experts: list[ImageExpert | SignalExpert], words: tuple[str, ...]
) -> None:
    with pytest.raises(TrainConfigError) as caught:
        list(weights_advice({name: file(tmp_path, state())}, experts))
    assert all(word in str(caught.value) for word in words), str(caught.value)


def lacking() -> dict[str, torch.Tensor]:
    whole = state()
    return {name: whole[name] for name in list(whole)[2:]}


def other_shape() -> dict[str, torch.Tensor]:
    return {**state(), "conv_stem.weight": torch.zeros(8, 1, 3, 3)}


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        (lacking(), ("lacks 2 tensors", "conv_stem.weight")),
        (other_shape(), ("has another shape for 1 tensors (conv_stem.weight)",)),
        ({f"module.{name}": values for name, values in state().items()}, ("lacks", "also has", "(module.")),
    ],
    ids=["lacking", "other shape", "prefixed"],
)
def test_a_file_of_another_model_is_refused_by_its_tensors(
    tmp_path: Path, tensors: dict[str, torch.Tensor], words: tuple[str, ...]
) -> None:
    path = file(tmp_path, tensors)
    for advice in (weights_advice({NET: path}, [EXPERT]), file_advice(NET, path)):
        with pytest.raises(TrainConfigError) as caught:
            list(advice)
        assert all(word in str(caught.value) for word in (f"is not the file of {NET}", *words))


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    broken = state()
    broken["conv_stem.weight"].view(-1)[3] = value
    path = file(tmp_path, broken)
    for advice in (weights_advice({NET: path}, [EXPERT]), file_advice(NET, path)):
        with pytest.raises(TrainConfigError, match=r"has NaN or infinity in 1 tensors \(conv_stem\.weight\)"):
            list(advice)


def test_an_expert_of_one_channel_cannot_take_weights_of_three(tmp_path: Path) -> None:
    grey = EXPERT.model_copy(update={"num_channels": 1})
    with pytest.raises(TrainConfigError, match=r"with 1 input channels.*num_channels = 3"):
        list(weights_advice({NET: file(tmp_path, state())}, [EXPERT, grey]))


def test_what_is_no_safetensors_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    path.write_bytes(b"PK\x03\x04 something else")
    with pytest.raises(TrainConfigError, match="is no safetensors file"):
        list(weights_advice({NET: path}, [EXPERT]))


def test_tensors_that_the_model_does_not_have_are_named(tmp_path: Path) -> None:
    path = file(tmp_path, {**state(), "extra.weight": torch.zeros(2)})
    (advice,) = weights_advice({NET: path}, [EXPERT])
    assert "has 1 tensors (extra.weight)" in advice.text
    assert "they are ignored" in advice.text


def test_a_file_that_nothing_started_from_is_named(tmp_path: Path) -> None:
    assert list(unused_advice({NET: tmp_path}, [EXPERT, TRACE])) == []
    (advice,) = unused_advice({SMALL_BACKBONE: tmp_path}, [TRACE])
    assert f"network {SMALL_BACKBONE}: no expert uses it" in advice.text
