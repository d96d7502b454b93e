"""Every encoder gives tokens, logits and relevance of the shapes promised, in torch and in ONNX Runtime alike."""

import numpy as np
import onnxruntime as ort
import pytest
import torch

from encoders.audio import AudioEncoder, MelForm
from encoders.tokens import Level, Readout, pool_matrix
from encoders.vibration import VibrationEncoder
from encoders.vision import Shape, VisionEncoder, Weights
from inspector.bundle.schema import ImageInput, SignalInput, input_shape
from inspector.training.export import to_onnx

pytestmark = pytest.mark.train

TOKEN_DIM, NUM_CLASSES = 16, 2
GREY = ImageInput(tile_height_px=32, tile_width_px=24, num_channels=1)
TILES = ImageInput(tile_height_px=32, tile_width_px=32, rows=2, cols=3)
SOUND = SignalInput(sample_rate_hz=16000, num_samples=4000, num_channels=2)
TRACE = SignalInput(sample_rate_hz=1, num_samples=152, num_channels=1)
LONG = SignalInput(sample_rate_hz=25600, num_samples=25600, num_channels=3)
SHORT = SignalInput(sample_rate_hz=1, num_samples=20, num_channels=1)


def build(name):
    torch.manual_seed(0)
    match name:
        case "tiny":
            return VisionEncoder(Shape("tiny"), GREY, Weights(), TOKEN_DIM, NUM_CLASSES), GREY
        case "mobilenet tiles":
            return VisionEncoder(Shape("tf_mobilenetv3_small_075"), TILES, Weights(), TOKEN_DIM, NUM_CLASSES), TILES
        case "audio":
            return AudioEncoder(SOUND, MelForm(16000, max_hz=7600), TOKEN_DIM, NUM_CLASSES), SOUND
        case "trace":
            return VibrationEncoder(TRACE, TOKEN_DIM, NUM_CLASSES), TRACE
        case "long":
            return VibrationEncoder(LONG, TOKEN_DIM, NUM_CLASSES), LONG
    return VibrationEncoder(SHORT, TOKEN_DIM, NUM_CLASSES), SHORT


CASES = [
    ("tiny", (8, 6)),
    ("mobilenet tiles", (4, 6)),
    ("audio", (12, 8)),
    ("trace", (1, 38)),
    ("long", (1, 400)),
    ("short", (1, 20)),
]


@pytest.mark.parametrize(("name", "places"), CASES)
def test_outputs_have_the_promised_shapes(name, places):
    module, form = build(name)
    with torch.no_grad():
        encoded = module.eval()(torch.randn(3, *input_shape(form)))
    assert encoded.tokens.shape == (3, module.num_tokens, TOKEN_DIM)
    assert encoded.logits.shape == (3, 1 + NUM_CLASSES)
    assert encoded.relevance.shape == (3, *places)
    assert (encoded.relevance >= 0).all()


@pytest.mark.parametrize("name", [name for name, _ in CASES])
def test_the_exported_graph_answers_as_torch_does(name, tmp_path):
    module, form = build(name)
    inputs = torch.randn(5, *input_shape(form), generator=torch.Generator().manual_seed(1))
    to_onnx(module, {"input": inputs[:2]}, ("tokens", "logits", "relevance"), tmp_path / "expert.onnx")
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    outputs = ort.InferenceSession(str(tmp_path / "expert.onnx"), options).run(None, {"input": inputs.numpy()})
    with torch.no_grad():
        for expected, output in zip(module.eval()(inputs), outputs, strict=True):
            assert np.abs(expected.numpy() - output).max() < 1e-4


def test_a_change_in_one_tile_is_relevant_at_its_place():
    torch.manual_seed(0)
    form = ImageInput(tile_height_px=32, tile_width_px=32, rows=2, cols=3, num_channels=1)
    module = VisionEncoder(Shape("tiny"), form, Weights(), TOKEN_DIM, NUM_CLASSES).eval()
    image = torch.zeros(1, 6, 1, 32, 32)
    with torch.no_grad():
        plain = module(image).relevance[0]
        image[0, 4] = torch.randn(1, 32, 32)
        changed = (module(image).relevance[0] - plain).abs() > 1e-6
    rows, cols = changed.shape[0] // 2, changed.shape[1] // 3
    assert changed[rows:, cols : 2 * cols].any()
    changed[rows:, cols : 2 * cols] = False
    assert not changed.any()


@pytest.mark.parametrize(("height", "width", "rows", "cols"), [(7, 5, 4, 4), (1, 19, 1, 8), (3, 3, 1, 1)])
def test_pooling_by_matrix_is_adaptive_pooling(height, width, rows, cols):
    level = torch.randn(2, 3, height, width)
    pooled = level.flatten(2) @ pool_matrix(Level(3, height, width), rows, cols).T
    expected = torch.nn.functional.adaptive_avg_pool2d(level, (rows, cols)).flatten(2)
    assert torch.allclose(pooled, expected, atol=1e-6)


def test_a_small_defect_counts_more_than_its_share_of_the_picture():
    torch.manual_seed(0)
    readout = Readout([Level(4, 8, 8)], TOKEN_DIM, 0).eval()
    evidence = torch.zeros(1, 1, 64)
    evidence[0, 0, 5] = 8.0
    pooled = readout._pooled(evidence)
    assert 8.0 / 64 < pooled.item() < 8.0


def test_weights_of_another_model_are_refused_by_name(tmp_path):
    from safetensors.torch import save_file

    save_file({"other.weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"lacks \d+ weights of tf_mobilenetv3_small_075"):
        VisionEncoder(Shape("tf_mobilenetv3_small_075"), TILES, Weights(tmp_path / "other.safetensors"), TOKEN_DIM, 0)
