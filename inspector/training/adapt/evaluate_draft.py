"""Asks experts and heads of a draft about recordings of a manifest. Knows no training loop.

Letters: R recordings, P pieces, O = 1 + K outputs.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import torch

from encoders.tokens import Encoded
from fusion.calibration import Scores
from inspector.bundle.schema import ImageInput, SignalInput
from inspector.dataset.manifest import PieceRow, Split
from inspector.training.corpus import Dataset
from inspector.training.data import Example
from inspector.training.experts.network import Recordings, encode
from inspector.training.export import TrainedBundle, TrainedExpert
from inspector.training.frames import present, worst
from inspector.training.head.fit import Encodings
from inspector.training.inputs import prepare


def recordings_of(examples: Iterable[Example], form: ImageInput | SignalInput) -> Recordings:
    found = list(examples)
    targets = torch.from_numpy(np.stack([example.targets for example in found]))
    return Recordings(prepare([example.recording for example in found], form), targets)


def expert_logits(expert: TrainedExpert, recordings: Recordings) -> Scores:
    """(R,) defect log-odds of one expert alone."""
    logits = encode(expert.module, recordings.inputs, expert.input).logits[:, 0]
    return np.asarray(logits.numpy(), np.float64)


def fused_logits(draft: TrainedBundle, corpus: Dataset, split: Split) -> Scores:
    """(P,) defect log-odds of the head over the split's labelled pieces, with all experts that have a recording."""
    rows = corpus.labelled(split)
    found = [_encode_pieces(corpus, expert, rows, split) for expert in draft.experts]
    encodings = Encodings(
        tuple(own.tokens for own, _ in found),
        tuple(own.logits for own, _ in found),
        torch.stack([here for _, here in found], dim=1),
    )
    with torch.no_grad():
        logits = encodings.read(draft.head.eval(), torch.ones(len(found))).logits[:, 0]
    return np.asarray(logits.numpy(), np.float64)


def _encode_pieces(
    corpus: Dataset, expert: TrainedExpert, rows: Sequence[PieceRow], split: Split
) -> tuple[Encoded, torch.Tensor]:
    """One expert's outputs per piece, and 1 where the piece has a recording for it."""
    examples = corpus.examples(split, expert.modality).values()
    encoded = encode(expert.module, recordings_of(examples, expert.input).inputs, expert.input)
    frames = corpus.frames(rows, [split], expert.modality)
    index = worst(encoded.logits[:, 0], frames)
    return Encoded(*(output[index] for output in encoded)), present(frames)
