"""Says which recordings stand for a piece: of several images of a camera the one most like a defect, as on the line.

Knows neither pixels nor networks. Letters: R recordings, P pieces, O = 1 + K outputs.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

Frames = tuple[int, ...]
"""Numbers of the recordings that one modality has of a piece; empty where it has none."""


def worst(logits_R: Float[Tensor, " R"], pieces: Sequence[Frames]) -> Int[Tensor, " P"]:
    """Per piece the recording with the highest log-odds of a defect, the first of equals; 0 where it has none.

    One without log-odds (NaN) comes before all others: a piece that is not wholly scored has no score.
    """
    values = logits_R.detach().numpy()
    return torch.tensor([frames[int(np.argmax(values[list(frames)]))] if frames else 0 for frames in pieces])


def present(pieces: Sequence[Frames]) -> Float[Tensor, " P"]:
    """1 where the piece has a recording."""
    return torch.tensor([float(bool(frames)) for frames in pieces])


def targets_of_pieces(targets_RO: Float[Tensor, "R O"], pieces: Sequence[Frames]) -> Float[Tensor, "P O"]:
    """The mean over the recordings of each piece; every piece has one."""
    return torch.stack([targets_RO[list(frames)].mean(0) for frames in pieces])
