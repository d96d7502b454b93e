"""Says what fitting an encoder is, whatever its kind: material in, encoders and unseen log-odds out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from inspector.bundle.schema import ImageInput, SignalInput
from inspector.training.config import ExpertConfig
from inspector.training.frames import Frames, targets_of_pieces, worst
from inspector.training.inputs import Encoder

Report = Callable[[int, int], None]
"""Steps done, steps in all."""


@dataclass(frozen=True, eq=False)
class TrainingData:
    """The unique recordings of one modality in the training split, as one expert takes them. Letters: R, O = 1 + K."""

    config: ExpertConfig
    form: ImageInput | SignalInput
    inputs: Float[Tensor, "R ..."]
    targets: Float[Tensor, "R O"]
    groups: tuple[str, ...]
    masks: tuple[NDArray[np.bool_] | None, ...]
    widths: tuple[int, int]
    """Of a token, and number of classes."""
    weights: Mapping[str, Path]
    seed: int
    epochs: int | None = None
    pieces: tuple[Frames, ...] = ()
    """Recordings that are judged together, as the images of one piece are; empty: each by itself."""

    def judged(self, logits: Float[Tensor, "R O"]) -> Float[Tensor, "P O"]:
        """Log-odds by piece instead of by recording."""
        return logits[worst(logits[:, 0], self.pieces)] if self.pieces else logits

    @property
    def judged_targets(self) -> Float[Tensor, "P O"]:
        return targets_of_pieces(self.targets, self.pieces) if self.pieces else self.targets


@dataclass(frozen=True)
class Fitted:
    """What the model card says of a fit."""

    how: str
    epochs: int = 0
    best_epoch: int = 0
    holdout_loss: float | None = None


class Fitter(Protocol):
    """One way to fit one expert."""

    def cross_fitted(self, folds: Sequence[int], report: Report) -> Float[Tensor, "R O"]:
        """Log-odds of recordings by fits that saw none of their fold; NaN where that would take too long."""

    def final(self, report: Report) -> tuple[Encoder, Fitted]:
        """The encoder that ships."""


def out_of_fold(
    targets: Float[Tensor, "R O"], folds: Sequence[int], score: Callable[[Tensor, Tensor], Tensor], report: Report
) -> Float[Tensor, "R O"]:
    """Log-odds of every recording; `score` fits on the first rows that it is given and scores the second."""
    logits = torch.full_like(targets, torch.nan)
    names = sorted(set(folds))
    for done, fold in enumerate(names, 1):
        fit, held = rows_of(folds, fold)
        logits[held] = score(fit, held)
        report(done, len(names) + 1)
    return logits


def rows_of(folds: Sequence[int], fold: int) -> tuple[Tensor, Tensor]:
    """Numbers of the recordings outside of a fold, and of those in it."""
    fold_of = torch.tensor(folds)
    return (fold_of != fold).nonzero()[:, 0], (fold_of == fold).nonzero()[:, 0]
