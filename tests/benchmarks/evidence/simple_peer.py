"""A simple peer: logistic regression on frozen features of each modality, joined by noisy-or.

Pictures: the ImageNet backbone's pooled features. Sounds: mean and deviation of every log-mel band. Traces: their
points. It is fitted on the training pieces, and calibrated on the calibration pieces. Letters: P pieces, F features.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import librosa
import numpy as np
import timm
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fusion.calibration import Scores, fit, probability
from inspector.dataset.files import read_source
from inspector.dataset.manifest import ImageRow, PieceRow, SignalRow, read_manifest
from inspector.dataset.recordings import Clip

BACKBONE = "tf_mobilenetv3_small_075"
SIZE_PX = 224
MEL_BANDS = 64
Features = NDArray[np.float64]


def peer_scores(manifest: Path, weights: Path | None) -> tuple[Scores, NDArray[np.bool_]]:
    """Scores and labels of the test pieces, in the manifest's order."""
    rows = read_manifest(manifest)
    by_split = {split: [row for row in rows if row.split == split] for split in ("train", "calibration", "test")}
    good = np.ones(len(by_split["test"]))
    for kind in ("image", "signal"):
        features = {split: _features(manifest.parent, part, kind, weights) for split, part in by_split.items()}
        good *= 1 - _one_modality(by_split, features, kind)
    labels = np.array([row.label == "nok" for row in by_split["test"]])
    return 1 - good, labels


def _one_modality(by_split: dict[str, list[PieceRow]], features: dict[str, Features], kind: str) -> Scores:
    """(P,) probabilities of the test pieces that this modality shows a defect."""
    true = {split: np.array([row.modality_labels[kind] == "nok" for row in rows]) for split, rows in by_split.items()}
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000, class_weight="balanced"))
    model.fit(features["train"], true["train"])
    sigmoid = fit(model.decision_function(features["calibration"]), true["calibration"])
    return probability(model.decision_function(features["test"]), sigmoid.temperature, sigmoid.bias)


def _features(root: Path, rows: Sequence[PieceRow], kind: str, weights: Path | None) -> Features:
    """(P, F); each recording is read once."""
    sources = [row.images[0] if kind == "image" else row.signals[0] for row in rows]
    known = {source.path: source for source in sources}
    if kind == "image":
        network = _backbone(weights)
        by_path = {path: _picture(root, source, network) for path, source in known.items()}
    else:
        by_path = {path: _signal(root, source) for path, source in known.items()}
    return np.stack([by_path[source.path] for source in sources])


def _backbone(weights: Path | None) -> torch.nn.Module:
    network = timm.create_model(BACKBONE, pretrained=False, num_classes=0)
    if weights is not None:
        network.load_state_dict(load_file(str(weights)))
    return network.eval()


@torch.no_grad()
def _picture(root: Path, source: ImageRow | SignalRow, network: torch.nn.Module) -> Features:
    pixels = read_source(root, source)
    assert isinstance(pixels, np.ndarray)
    full_scale = np.iinfo(pixels.dtype).max
    coloured = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=-1)
    small = cv2.resize(coloured.astype(np.float32) / full_scale, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_AREA)
    batch = torch.from_numpy(small[..., ::-1].transpose(2, 0, 1)[None] * 2 - 1)
    return np.asarray(network(batch)[0].numpy(), np.float64)


def _signal(root: Path, source: ImageRow | SignalRow) -> Features:
    clip = read_source(root, source)
    assert isinstance(clip, Clip)
    assert isinstance(source, SignalRow)
    if source.kind == "trace":
        return clip.samples.reshape(-1).astype(np.float64)
    mono = clip.samples.mean(axis=1)
    mel = librosa.feature.melspectrogram(y=mono, sr=source.sample_rate_hz, n_fft=512, hop_length=128, n_mels=MEL_BANDS)
    decibels = librosa.power_to_db(mel)
    return np.concatenate([decibels.mean(axis=1), decibels.std(axis=1)]).astype(np.float64)
