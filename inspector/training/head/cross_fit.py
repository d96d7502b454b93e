"""Scores each piece by heads that share no group with it, by number of steps and by how far they are shrunk.

Letters: P pieces, O = 1 + K outputs, S sets of experts, W sets that cover all modalities.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from fusion.calibration import Labels, Scores
from inspector.statistics.classification import cross_entropy
from inspector.training.head.head_data import HeadData
from inspector.training.head.head_run import HeadRun
from inspector.training.head.recalibrate import recalibrated

Folds = Sequence[tuple[Sequence[int], Sequence[int]]]
"""Pairs (fit on, score) of indices that share no group."""


class CrossFit:
    """The heads of all folds; `runs` in the order of `folds`, walked to every number of steps that is asked for."""

    def __init__(self, head_data: HeadData, folds: Folds, runs: Sequence[HeadRun]) -> None:
        self._head_data, self._folds, self._runs = head_data, folds, runs
        labels = head_data.labels()
        self.known: Labels = (~labels.isnan()).numpy()
        self.labels: Labels = (labels == 1).numpy()

    def outputs(self, steps: int, weight: float = 1.0) -> Float[Tensor, "S P O"]:
        """Of heads that went `weight` of the way to that number of steps."""
        outputs = torch.full(self._head_data.targets.shape, math.nan)
        for run, (_, score) in zip(self._runs, self._folds, strict=True):
            held = torch.tensor(score)
            outputs[:, held] = run.outputs(self._head_data.encodings.of(held), steps, weight)
        return outputs

    def scores(self, steps: int, weight: float = 1.0) -> Scores:
        """(W, P) log-odds of the defect on one scale; NaN where a piece has no label."""
        logits_WP = self.outputs(steps, weight)[torch.tensor(self._head_data.whole)][..., 0].numpy().astype(np.float64)
        logits_WP[:, ~self.known] = np.nan
        return np.stack([recalibrated(logits_P, self.labels) for logits_P in logits_WP])

    def losses(self, steps: int, weight: float = 1.0) -> Scores:
        """(P,) cross-entropy, mean over the sets that cover all modalities."""
        return cross_entropy(self.scores(steps, weight), self.labels)


def fused_units(groups: Sequence[Mapping[str, str]]) -> list[frozenset[str]]:
    """All groups of a piece, since its fused score rests on every recording.

    A kind with a single group separates nothing, and one that divides the pieces as another does adds nothing.
    """
    kinds: dict[frozenset[tuple[int, ...]], str] = {}
    for kind in sorted({kind for by_kind in groups for kind in by_kind}):
        members: dict[str, list[int]] = {}
        for index, by_kind in enumerate(groups):
            members.setdefault(by_kind.get(kind, ""), []).append(index)
        if len(members) > 1:
            kinds.setdefault(frozenset(map(tuple, members.values())), kind)
    return [frozenset(f"{kind}={by_kind[kind]}" for kind in kinds.values() if kind in by_kind) for by_kind in groups]
