"""Chooses the recording that represents a piece: of several images the one most like a defect, as on the line.

Letters: R recordings, P pieces, O = 1 + K outputs.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

Frames = tuple[int, ...]
"""Indices of the recordings of a piece in one modality; empty if there are none."""


def worst(logits_R: Float[Tensor, " R"], pieces: Sequence[Frames]) -> Int[Tensor, " P"]:
    """Per piece the recording with the highest log-odds of a defect, the first of equals; 0 if it has none.

    A recording without log-odds (NaN) ranks first: a piece that is only partly scored has no score.
    """
    values = logits_R.detach().numpy()
    return torch.tensor([frames[int(np.argmax(values[list(frames)]))] if frames else 0 for frames in pieces])


def present(pieces: Sequence[Frames]) -> Float[Tensor, " P"]:
    """1 where the piece has a recording."""
    return torch.tensor([float(bool(frames)) for frames in pieces])


def targets_of_pieces(targets_RO: Float[Tensor, "R O"], pieces: Sequence[Frames]) -> Float[Tensor, "P O"]:
    """The mean over the recordings of each piece; every piece has one."""
    return torch.stack([targets_RO[list(frames)].mean(0) for frames in pieces])
