"""Interface of fitting an encoder of any kind: training data in, encoder and out-of-fold log-odds out."""

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
    """The unique recordings of one modality, prepared for one expert. Letters: R recordings, O = 1 + K outputs."""

    config: ExpertConfig
    form: ImageInput | SignalInput
    inputs: Float[Tensor, "R ..."]
    targets: Float[Tensor, "R O"]
    groups: tuple[str, ...]
    masks: tuple[NDArray[np.bool_] | None, ...]
    widths: tuple[int, int]
    """Width of a token, and number of classes."""
    weights: Mapping[str, Path]
    seed: int
    epochs: int | None = None
    pieces: tuple[Frames, ...] = ()
    """Recordings that are judged together, such as the images of one piece; empty: each one alone."""

    def judged(self, logits: Float[Tensor, "R O"]) -> Float[Tensor, "P O"]:
        """Log-odds per piece instead of per recording."""
        return logits[worst(logits[:, 0], self.pieces)] if self.pieces else logits

    @property
    def judged_targets(self) -> Float[Tensor, "P O"]:
        return targets_of_pieces(self.targets, self.pieces) if self.pieces else self.targets


@dataclass(frozen=True)
class Fitted:
    """Description of a fit for the model card."""

    how: str
    epochs: int = 0
    best_epoch: int = 0
    holdout_loss: float | None = None


class Fitter(Protocol):
    """One way to fit one expert."""

    def cross_fitted(self, folds: Sequence[int], report: Report) -> Float[Tensor, "R O"]:
        """Log-odds of recordings by fits that have not seen their fold; NaN if that would take too long."""

    def final(self, report: Report) -> tuple[Encoder, Fitted]:
        """The encoder that ships."""


def out_of_fold(
    targets: Float[Tensor, "R O"], folds: Sequence[int], score: Callable[[Tensor, Tensor], Tensor], report: Report
) -> Float[Tensor, "R O"]:
    """Log-odds of every recording; `score(fit, held)` fits on the first rows and scores the second.

    NaN where a fold holds all defective recordings, or all good ones: a fit without them says nothing about them.
    """
    logits = torch.full_like(targets, torch.nan)
    learnable = _has_both_labels(targets)
    names = sorted(set(folds))
    for done, fold in enumerate(names, 1):
        fit, held = rows_of(folds, fold)
        if not learnable or _has_both_labels(targets[fit]):
            logits[held] = score(fit, held)
        report(done, len(names) + 1)
    return logits


def _has_both_labels(targets_RO: Float[Tensor, "R O"]) -> bool:
    defective = targets_RO[:, 0]
    return bool((defective >= 0.5).any() and (defective < 0.5).any())


def rows_of(folds: Sequence[int], fold: int) -> tuple[Tensor, Tensor]:
    """Indices of the recordings outside a fold, and of those in it."""
    fold_of = torch.tensor(folds)
    return (fold_of != fold).nonzero()[:, 0], (fold_of == fold).nonzero()[:, 0]
