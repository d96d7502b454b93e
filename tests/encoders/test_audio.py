"""The log-mel picture inside the graph against librosa, in every runtime that serves it."""

import librosa
import numpy as np
import onnxruntime as ort
import openvino as ov
import pytest
import torch

from encoders.audio import LOG_FLOOR, LogMel, MelForm
from inspector.training.export import to_onnx

pytestmark = pytest.mark.train

FORMS = {
    "tap": MelForm(48000.0),
    "motor": MelForm(16000.0, num_fft=1024, hop=256, num_mels=64, min_hz=20.0, max_hz=7600.0),
}
LENGTH = 4096


def wave(name: str, rate_hz: float) -> np.ndarray:
    times_s = np.arange(LENGTH) / rate_hz
    match name:
        case "noise":
            return np.random.default_rng(0).normal(0, 0.2, LENGTH).astype(np.float32)
        case "tone":
            return np.sin(2 * np.pi * 1000.0 * times_s).astype(np.float32)
    return np.zeros(LENGTH, np.float32)


def by_librosa(samples: np.ndarray, form: MelForm) -> np.ndarray:
    mel = librosa.feature.melspectrogram(
        y=samples.astype(np.float64),
        sr=form.sample_rate_hz,
        n_fft=form.num_fft,
        hop_length=form.hop,
        n_mels=form.num_mels,
        fmin=form.min_hz,
        fmax=form.max_hz,
    )
    return np.log(np.maximum(mel, LOG_FLOOR))


@pytest.fixture(scope="module", params=sorted(FORMS))
def runtimes(request, tmp_path_factory):
    form = FORMS[request.param]
    module = LogMel(form).eval()
    path = tmp_path_factory.mktemp("mel") / "mel.onnx"
    to_onnx(module, {"input": torch.zeros(2, 1, LENGTH)}, ("picture",), path)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(path), options)
    settings = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = ov.Core().compile_model(str(path), "CPU", settings)
    return form, {
        "torch": lambda batch: module(torch.from_numpy(batch)).numpy(),
        "onnx": lambda batch: session.run(None, {"input": batch})[0],
        "openvino": lambda batch: compiled(batch)[0],
    }


@pytest.mark.parametrize("name", ["noise", "tone", "silence"])
@pytest.mark.parametrize("runtime", ["torch", "onnx", "openvino"])
def test_log_mel_equals_librosa(runtimes, runtime, name):
    form, run = runtimes
    samples = wave(name, form.sample_rate_hz)
    mel = run[runtime](np.stack([samples, samples, samples])[:, None])
    expected = by_librosa(samples, form)
    assert mel.shape == (3, form.num_mels, 1, expected.shape[1])
    assert np.abs(mel[2, :, 0] - expected).max() < 1e-3
