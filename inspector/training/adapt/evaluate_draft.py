"""Runs the experts and the head of a trained bundle on recordings of a manifest.

Letters: R recordings, P pieces, O = 1 + K outputs.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import torch

from encoders.tokens import Encoded
from fusion.calibration import Scores
from inspector.bundle.schema import ImageInput, SignalInput
from inspector.dataset.manifest import PieceRow, Split
from inspector.training.data import Example
from inspector.training.dataset import Dataset
from inspector.training.experts.network import Recordings, encode
from inspector.training.export import TrainedBundle, TrainedExpert
from inspector.training.frames import present, worst
from inspector.training.head.head_data import Encodings
from inspector.training.inputs import prepare


def recordings_of(examples: Iterable[Example], form: ImageInput | SignalInput) -> Recordings:
    known = list(examples)
    targets = torch.from_numpy(np.stack([example.targets for example in known]))
    return Recordings(prepare([example.recording for example in known], form), targets)


def expert_logits(expert: TrainedExpert, recordings: Recordings) -> Scores:
    """(R,) defect log-odds of one expert alone."""
    logits = encode(expert.module, recordings.inputs, expert.input).logits[:, 0]
    return np.asarray(logits.numpy(), np.float64)


def fused_logits(trained: TrainedBundle, dataset: Dataset, split: Split) -> Scores:
    """(P,) defect log-odds of the head over the split's labelled pieces, with all experts that have a recording."""
    rows = dataset.labelled(split)
    encoded = [_encode_pieces(dataset, expert, rows, split) for expert in trained.experts]
    encodings = Encodings(
        tuple(outputs.tokens for outputs, _ in encoded),
        tuple(outputs.logits for outputs, _ in encoded),
        torch.stack([here for _, here in encoded], dim=1),
    )
    with torch.no_grad():
        logits = encodings.read(trained.head.eval(), torch.ones(len(encoded))).logits[:, 0]
    return np.asarray(logits.numpy(), np.float64)


def _encode_pieces(
    dataset: Dataset, expert: TrainedExpert, rows: Sequence[PieceRow], split: Split
) -> tuple[Encoded, torch.Tensor]:
    """One expert's outputs per piece, and 1 where the piece has a recording for it."""
    examples = dataset.examples(split, expert.modality).values()
    encoded = encode(expert.module, recordings_of(examples, expert.input).inputs, expert.input)
    frames = dataset.frames(rows, [split], expert.modality)
    index = worst(encoded.logits[:, 0], frames)
    return Encoded(*(output[index] for output in encoded)), present(frames)
