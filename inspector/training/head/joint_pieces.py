"""Holds the training pieces on which encoders and head are fitted together.

Letters: P pieces, E experts, O = 1 + K outputs, S sets of experts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fusion.expert_sets import expert_sets
from inspector.training.batches import batch_rows
from inspector.training.dataset import Dataset
from inspector.training.export import TrainedExpert
from inspector.training.frames import Frames, present
from inspector.training.head.head_data import group_numbers
from inspector.training.inputs import prepare


@dataclass(frozen=True, eq=False)
class JointPieces:
    """Labelled training pieces: prepared recordings by expert, their assignment to pieces, and targets."""

    inputs: tuple[Float[Tensor, "R ..."], ...]
    frames: tuple[list[Frames], ...]
    """By expert and piece."""
    present: Float[Tensor, "P E"]
    sets: Float[Tensor, "S E"]
    whole: int
    """Index of the set of all experts."""
    targets: Float[Tensor, "S P O"]
    own_targets: Float[Tensor, "E P O"]
    own_groups: Int[Tensor, "E P"]

    def rows_per_run(self, most: int) -> int:
        """Pieces in one batch: fewer where an expert's pictures are large."""
        return min(batch_rows(inputs, most) for inputs in self.inputs)

    def take(self, expert: int, rows: Tensor) -> tuple[Float[Tensor, "F ..."], list[Frames]]:
        """All images of these pieces in one batch, and per piece their indices in it."""
        images: list[int] = []
        places = []
        for row in rows.tolist():
            frames = self.frames[expert][row] or (0,)
            places.append(tuple(range(len(images), len(images) + len(frames))))
            images += frames
        return self.inputs[expert][torch.tensor(images)], places


def joint_pieces(dataset: Dataset, experts: Sequence[TrainedExpert]) -> JointPieces:
    rows = dataset.labelled("train")
    names = expert_sets(experts)
    modalities = [[expert.modality for expert in experts if expert.name in chosen] for chosen in names]
    frames = tuple(dataset.frames(rows, ["train"], expert.modality) for expert in experts)
    recordings = [[example.recording for example in dataset.examples("train", e.modality).values()] for e in experts]
    return JointPieces(
        inputs=tuple(prepare(values, expert.input) for values, expert in zip(recordings, experts, strict=True)),
        frames=frames,
        present=torch.stack([present(values) for values in frames], dim=1),
        sets=torch.tensor([[float(expert.name in chosen) for expert in experts] for chosen in names]),
        whole=names.index(tuple(sorted(expert.name for expert in experts))),
        targets=torch.stack([dataset.targets(rows, values) for values in modalities]),
        own_targets=torch.stack([dataset.targets(rows, [expert.modality]) for expert in experts]),
        own_groups=torch.stack([group_numbers(rows, dataset.modality(expert.modality)) for expert in experts]),
    )
