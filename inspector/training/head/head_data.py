"""Holds what the fusion head is fitted on and judged by: outputs of the experts, and targets.

Letters: P pieces, E experts, N tokens, D width, O = 1 + K outputs, S sets of experts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from fusion.head import Fused, FusionHead
from inspector.bundle.schema import Modality
from inspector.dataset.labels import own_group
from inspector.dataset.manifest import PieceRow


@dataclass(frozen=True, eq=False)
class Encodings:
    """Outputs of the experts for pieces; zeros where a modality is missing."""

    tokens: tuple[Float[Tensor, "P N D"], ...]
    logits: tuple[Float[Tensor, "P O"], ...]
    present: Float[Tensor, "P E"]

    def of(self, pieces: Tensor) -> "Encodings":
        return Encodings(
            tuple(values[pieces] for values in self.tokens),
            tuple(values[pieces] for values in self.logits),
            self.present[pieces],
        )

    def read(self, head: FusionHead, ran_E: Float[Tensor, "*P E"]) -> Fused:
        """The head's output if only the experts in `ran_E` run; the others are zeros, as in serving."""
        here_PE = self.present * ran_E
        tokens = [values * here_PE[:, index, None, None] for index, values in enumerate(self.tokens)]
        logits = [values * here_PE[:, index, None] for index, values in enumerate(self.logits)]
        fused: Fused = head(tokens, logits, here_PE)
        return fused


@dataclass(frozen=True, eq=False)
class HeadData:
    """Encodings with their targets, per set of experts and per expert; NaN is unknown."""

    encodings: Encodings
    sets: Float[Tensor, "S E"]
    whole: tuple[bool, ...]
    """True for sets that cover all modalities; only these choose the number of steps."""
    targets: Float[Tensor, "S P O"]
    own_targets: Float[Tensor, "E P"]
    """Whether the recording of each expert is defective; NaN is unknown."""
    own_groups: Int[Tensor, "E P"]
    """Number of the group of each expert's recording."""

    def of(self, pieces: Tensor) -> "HeadData":
        return HeadData(
            self.encodings.of(pieces),
            self.sets,
            self.whole,
            self.targets[:, pieces],
            self.own_targets[:, pieces],
            self.own_groups[:, pieces],
        )

    def own_known(self, expert: int) -> Bool[Tensor, " P"]:
        """Pieces with a recording of this expert whose own label is known."""
        return (self.encodings.present[:, expert] > 0) & ~self.own_targets[expert].isnan()

    def own_defects(self) -> list[int]:
        """Per expert, the number of groups with a defective recording."""
        shown = [self.own_known(e) & (self.own_targets[e] == 1) for e in range(len(self.own_targets))]
        return [len(set(self.own_groups[e][rows].tolist())) for e, rows in enumerate(shown)]

    def labels(self) -> Float[Tensor, " P"]:
        """1 where the piece as a whole is defective, NaN where unknown."""
        return self.targets[self.whole.index(True), :, 0]


def group_numbers(rows: Sequence[PieceRow], modality: Modality) -> Int[Tensor, " P"]:
    """A number for the group of each piece's recording of this modality."""
    numbers = np.unique([own_group(row, modality) for row in rows], return_inverse=True)[1]
    return torch.from_numpy(numbers.astype(np.int64))
