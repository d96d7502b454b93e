"""Trains small experts on the simulated line with mismatched inserts, and encodes its pieces."""

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from encoders.tokens import Encoded
from fusion.calibration import Labels, Scores
from inspector.dataset.manifest import Split
from inspector.simulation.dataset import CAMERA, MICROPHONE, write_dataset
from inspector.simulation.pieces import LineSettings
from inspector.training.config import Fitting, ImageExpert, JointFitting, SignalExpert, TrainConfig
from inspector.training.dataset import Dataset
from inspector.training.experts.network import encode
from inspector.training.export import TrainedBundle, TrainedExpert
from inspector.training.inputs import prepare
from inspector.training.train import train
from inspector.training.trainer import TrainOptions

NUM_PIECES, DEFECT_SHARE, LINE_SEED = 1500, 0.4, 7
MISMATCH = ("mismatch",)
_FITTING = Fitting(epochs=30)
CONFIG = TrainConfig(
    name="between",
    policy="dense",
    joint=JointFitting(automatic=False),
    experts=(
        ImageExpert(name=f"{CAMERA}-scout", modality=CAMERA, scout=True, fitting=_FITTING),
        SignalExpert(
            name=f"{MICROPHONE}-scout",
            modality=MICROPHONE,
            encoder="log_mel",
            scaling="none",
            fitting=_FITTING,
        ),
    ),
)


@dataclass(frozen=True, eq=False)
class Heard:
    """Labelled pieces of one split as the experts encode them, camera first."""

    encoded: tuple[Encoded, Encoded]
    labels: Labels
    mismatch: Labels
    """Defective by disagreement alone."""

    def logits(self, expert: int) -> Scores:
        return np.asarray(self.encoded[expert].logits[:, 0].numpy(), np.float64)


@functools.cache
def staged(folder: Path, seed: int) -> tuple[TrainedBundle, Dataset]:
    """Cached per folder and training seed: copy the draft before you change its modules."""
    data = folder / "between"
    manifest = data / "manifest.jsonl"
    if not manifest.exists():
        settings = LineSettings(seed=LINE_SEED, defect_share=DEFECT_SHARE, scenario="disagreement")
        write_dataset(data, NUM_PIECES, settings)
    draft = train(manifest, CONFIG, TrainOptions(seed=seed), lambda stage, done, total: None).bundle
    return draft, Dataset(manifest)


def heard(draft: TrainedBundle, corpus: Dataset, split: Split) -> Heard:
    """By the two experts of a draft; every piece must have both recordings."""
    rows = corpus.labelled(split)
    first, second = (_encoded(expert, corpus, split) for expert in draft.experts)
    return Heard(
        (first, second),
        np.array([row.label == "nok" for row in rows]),
        np.array([row.defects == MISMATCH for row in rows]),
    )


def _encoded(expert: TrainedExpert, corpus: Dataset, split: Split) -> Encoded:
    recordings = [example.recording for example in corpus.examples(split, expert.modality).values()]
    encoded = encode(expert.module, prepare(recordings, expert.input), expert.input)
    places = [place for (place,) in corpus.frames(corpus.labelled(split), [split], expert.modality)]
    return Encoded(*(output[places] for output in encoded))


def fused_logits(draft: TrainedBundle, pieces: Heard) -> Scores:
    """Of the draft's head with both experts."""
    here = torch.ones(len(pieces.labels), 2)
    with torch.no_grad():
        fused = draft.head.eval()([e.tokens for e in pieces.encoded], [e.logits for e in pieces.encoded], here)
    return np.asarray(fused.logits[:, 0].numpy(), np.float64)
