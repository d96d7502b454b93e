"""Students: their size, their training data, and the outputs that a head relies on."""

import pytest
import torch

from inspector.bundle.schema import ImageInput, SignalInput
from inspector.training.adapt.distil import (
    DistillationData,
    Shares,
    distil,
    require_small,
    size_of,
    student_of,
)
from inspector.training.config import ImageExpert, SignalExpert
from inspector.training.errors import DistilError
from inspector.training.experts.gradient_descent import DescentSettings
from inspector.training.experts.network import encode
from inspector.training.export import TrainedExpert
from inspector.training.inputs import build_encoder, input_form, prepare

pytestmark = pytest.mark.train

CONFIG = ImageExpert(name="top-full", modality="top", scout=False, height_px=48, width_px=48, freeze=True)


def teacher(config=CONFIG):
    torch.manual_seed(0)
    form = input_form(config, [])
    return TrainedExpert(config, form, build_encoder(config, form, (8, 1), {}).eval())


def pictures():
    torch.manual_seed(1)
    return list(torch.randint(0, 255, (24, 60, 60), dtype=torch.uint8).numpy())


def data(shares, epochs=15):
    return DistillationData(pictures(), torch.zeros(24, 2), shares, DescentSettings(epochs, 1e-2, 8))


def test_size_counts_parameters_and_multiplications():
    model = teacher()
    size = size_of(model)
    assert size.parameters == sum(
        kept.numel() for kept in model.module.state_dict().values() if kept.is_floating_point()
    )
    stem_and_first = 48 * 48 * (1 * 8 + 8 * 9 * 24)
    assert size.macs > stem_and_first
    assert size_of(teacher(CONFIG.model_copy(update={"height_px": 96, "width_px": 96}))).macs == pytest.approx(
        4 * size.macs, rel=0.01
    )


def test_the_student_is_the_teacher_in_all_but_its_network():
    config = student_of(teacher(), "micro", 32)
    assert (config.name, config.modality, config.encoder, config.height_px, config.freeze) == (
        "top-full",
        "top",
        "micro",
        32,
        False,
    )


def test_a_student_may_keep_a_tenth():
    require_small(teacher(), teacher(student_of(teacher(), "micro", 48)))
    with pytest.raises(DistilError, match="more than 10%"):
        require_small(teacher(), teacher(student_of(teacher(), "mini", 48)))


def test_signals_have_no_students():
    config = SignalExpert(name="mic-scout", modality="mic", encoder="log_mel")
    form = SignalInput(sample_rate_hz=16000, num_samples=4000, num_channels=1, min_hz=50, max_hz=7000)
    listener = TrainedExpert(config, form, build_encoder(config, form, (8, 1), {}))
    with pytest.raises(DistilError, match="spectrum"):
        student_of(listener, "micro", 48)


@pytest.mark.parametrize("chain", [("micro",), ("mini", "micro")])
def test_without_labels_a_student_comes_to_answer_as_its_teacher(chain):
    model = teacher()
    steps = [student_of(model, encoder, 48) for encoder in chain]
    reports = []
    torch.manual_seed(2)
    short = distil(model, steps[-1:], data(Shares(labels=0), 1))
    torch.manual_seed(2)
    long = distil(model, steps, data(Shares(labels=0)), lambda done, total: reports.append((done, total)))
    prepared = prepare(pictures(), ImageInput(tile_height_px=48, tile_width_px=48, num_channels=1))
    target, early, late = (encode(e.module, prepared, e.input) for e in (model, short, long))
    assert (late.tokens - target.tokens).square().mean() < (early.tokens - target.tokens).square().mean()
    assert (late.logits - target.logits).abs().mean() < (early.logits - target.logits).abs().mean()
    assert reports[-1] == (15 * len(chain), 15 * len(chain))
    assert reports == sorted(reports)
