"""Fits the fusion head on encoded pieces and scores each piece for every set of experts.

Calibration pieces are unseen by the encoders and scored by heads of other folds; training pieces are scored from
out-of-fold log-odds. Letters: P pieces, E experts, S sets, N tokens, D width, O = 1 + K outputs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from encoders.tokens import Encoded
from fusion.expert_sets import expert_sets
from fusion.head import FusionHead, HeadForm, Member
from fusion.scored import ExpertSet, Scored
from inspector.dataset.files import sources_of
from inspector.dataset.labels import units_of
from inspector.dataset.manifest import PieceRow, Split
from inspector.training.config import TrainConfig
from inspector.training.dataset import Dataset
from inspector.training.experts.network import encode
from inspector.training.experts.selection import SelectedExpert
from inspector.training.export import TrainedExpert
from inspector.training.frames import Frames, present, worst
from inspector.training.head.fit import FittedHead, fit_head
from inspector.training.head.head_data import Encodings, HeadData, group_numbers
from inspector.training.head.head_run import HeadRun
from inspector.training.head.joint_finetune import JointFit
from inspector.training.inputs import prepare

BOTH: tuple[Split, ...] = ("train", "calibration")


@dataclass(frozen=True, eq=False)
class Fusion:
    """The fitted head with its data."""

    head: FittedHead
    head_data: HeadData
    sets: tuple[ExpertSet, ...]
    rows: tuple[PieceRow, ...]
    """The pieces of `head_data`."""

    def class_logits(self) -> Float[Tensor, "S P K"]:
        """Class log-odds of these pieces by heads that have not seen them; a head without steps learned no class."""
        if self.head.class_logits is not None:
            return self.head.class_logits
        return _set_logits(self.head.head, self.head_data.encodings, self.head_data.sets)[..., 1:]


def fuse(
    dataset: Dataset,
    selected: Sequence[SelectedExpert],
    config: TrainConfig,
    seed: int,
    progress: Callable[[int, int], None],
) -> Fusion:
    experts = [entry.expert for entry in selected]
    sets = tuple(map(frozenset, expert_sets(experts)))
    head_data = _head_data(dataset, experts, sets)
    groups = [row.groups for row in dataset.labelled("calibration")]
    fitted = fit_head(head_form(dataset, experts, config), head_data, groups, config.head, seed, progress, config.rule)
    return Fusion(fitted, head_data, sets, tuple(dataset.labelled("calibration")))


def head_form(
    dataset: Dataset, experts: Sequence[TrainedExpert], config: TrainConfig, *, compared: bool = False
) -> HeadForm:
    """`compared`: whether the head compares the first experts of adjacent modalities."""
    members = tuple(Member(expert.modality, expert.num_tokens) for expert in experts)
    first = {expert.modality: index for index, expert in reversed(list(enumerate(experts)))}
    pairs = tuple(pairwise(sorted(first.values()))) if compared else ()
    return HeadForm(members, config.token_dim, len(dataset.classes), pairs)


def _head_data(dataset: Dataset, experts: Sequence[TrainedExpert], sets: Sequence[ExpertSet]) -> HeadData:
    encoded = [_encode_pieces(dataset, expert) for expert in experts]
    encodings = Encodings(
        tuple(outputs.tokens for outputs, _ in encoded),
        tuple(outputs.logits for outputs, _ in encoded),
        torch.stack([here for _, here in encoded], dim=1),
    )
    return _head_data_of(dataset, experts, sets, dataset.labelled("calibration"), encodings)


def _head_data_of(
    dataset: Dataset,
    experts: Sequence[TrainedExpert],
    sets: Sequence[ExpertSet],
    rows: Sequence[PieceRow],
    encodings: Encodings,
) -> HeadData:
    present = [[expert.modality for expert in experts if expert.name in names] for names in sets]
    return HeadData(
        encodings=encodings,
        sets=torch.tensor([[float(expert.name in names) for expert in experts] for names in sets]),
        whole=tuple(len(set(modalities)) == len(dataset.modalities) for modalities in present),
        targets=torch.stack([dataset.targets(rows, modalities) for modalities in present]),
        own_targets=torch.stack([dataset.targets(rows, [expert.modality])[:, 0] for expert in experts]),
        own_groups=torch.stack([group_numbers(rows, dataset.modality(expert.modality)) for expert in experts]),
    )


def _encode_pieces(dataset: Dataset, expert: TrainedExpert) -> tuple[Encoded, Tensor]:
    """Outputs of one expert for the calibration pieces, and 1 where the piece has a recording for it."""
    recordings = [example.recording for example in dataset.examples("calibration", expert.modality).values()]
    encoded = encode(expert.module, prepare(recordings, expert.input), expert.input)
    frames = _frames(dataset, expert, ["calibration"])
    index = worst(encoded.logits[:, 0], frames)
    return Encoded(*(output[index] for output in encoded)), present(frames)


def _frames(dataset: Dataset, expert: TrainedExpert, splits: Sequence[Split]) -> list[Frames]:
    """Recordings of every labelled piece."""
    return dataset.frames(labelled(dataset, splits), splits, expert.modality)


def labelled(dataset: Dataset, splits: Sequence[Split]) -> list[PieceRow]:
    return [row for split in splits for row in dataset.labelled(split)]


def score(dataset: Dataset, selected: Sequence[SelectedExpert], fusion: Fusion) -> Scored:
    """Scores of calibration pieces, and of training pieces with out-of-fold log-odds."""
    encodings = fusion.head_data.encodings
    values = (encodings.present, torch.stack([logits[:, 0] for logits in encodings.logits]), fusion.head.logits)
    unseen = _scored(dataset, selected, fusion, dataset.labelled("calibration"), values, unseen=True)
    seen = score_out_of_fold(dataset, selected, fusion, ["train"]) if fusion.head.steps == 0 else None
    return unseen if seen is None else _joined(seen, unseen)


def score_out_of_fold(
    dataset: Dataset, selected: Sequence[SelectedExpert], fusion: Fusion, splits: Sequence[Split]
) -> Scored | None:
    """Scores of pieces whose recordings all have out-of-fold log-odds; needs a head without steps."""
    rows, encodings = _out_of_fold(dataset, selected, fusion, splits)
    if not rows:
        return None
    logits_SP = _set_logits(fusion.head.head, encodings, fusion.head_data.sets)[..., 0]
    values = (encodings.present, torch.stack([logits[:, 0] for logits in encodings.logits]), logits_SP)
    return _scored(dataset, selected, fusion, rows, values, unseen=False)


@torch.no_grad()
def _set_logits(head: FusionHead, encodings: Encodings, sets: Float[Tensor, "S E"]) -> Float[Tensor, "S P O"]:
    return torch.stack([encodings.read(head.eval(), ran).logits for ran in sets])


def _out_of_fold(
    dataset: Dataset, selected: Sequence[SelectedExpert], fusion: Fusion, splits: Sequence[Split]
) -> tuple[list[PieceRow], Encodings]:
    frames = [_frames(dataset, entry.expert, splits) for entry in selected]
    present_PE = torch.stack([present(entry) for entry in frames], dim=1)
    chosen_EP = [worst(entry.out_of_fold_logits[:, 0], pieces) for entry, pieces in zip(selected, frames, strict=True)]
    logits_EPO = torch.stack(
        [entry.out_of_fold_logits[index] for entry, index in zip(selected, chosen_EP, strict=True)]
    )
    chosen = (~logits_EPO[:, :, 0].isnan() | (present_PE.T == 0)).all(0)
    shapes = [entry.shape[1:] for entry in fusion.head_data.encodings.tokens]
    tokens = tuple(torch.zeros(int(chosen.sum()), *shape) for shape in shapes)
    rows = [row for row, entry in zip(labelled(dataset, splits), chosen.tolist(), strict=True) if entry]
    return rows, Encodings(tokens, tuple(logits_EPO[:, chosen].nan_to_num()), present_PE[chosen])


def calibrated_again(
    dataset: Dataset, selected: Sequence[SelectedExpert], fusion: Fusion, config: TrainConfig, seed: int
) -> Fusion:
    """A head without steps for encoders fitted on both splits, calibrated on their out-of-fold log-odds."""
    rows, encodings = _out_of_fold(dataset, selected, fusion, BOTH)
    experts = [entry.expert for entry in selected]
    head_data = _head_data_of(dataset, experts, fusion.sets, rows, encodings)
    head = HeadRun(head_form(dataset, experts, config), head_data, config.head, seed).head.eval()
    return Fusion(replace(fusion.head, head=head, class_logits=None), head_data, fusion.sets, tuple(rows))


def fused_jointly(
    dataset: Dataset, selected: Sequence[SelectedExpert], head: FusionHead, joint_fit: JointFit
) -> Fusion:
    """The jointly fitted head; neither it nor the encoders have seen a calibration piece."""
    experts = [entry.expert for entry in selected]
    sets = tuple(map(frozenset, expert_sets(experts)))
    head_data = _head_data(dataset, experts, sets)
    losses = {0: joint_fit.staged_loss, joint_fit.best_epoch: joint_fit.joint_loss}
    logits_SP = _set_logits(head, head_data.encodings, head_data.sets)[..., 0]
    fitted = FittedHead(head, joint_fit.best_epoch, logits_SP, losses, joint=True, choices=joint_fit.choices)
    return Fusion(fitted, head_data, sets, tuple(dataset.labelled("calibration")))


def _scored(
    dataset: Dataset,
    selected: Sequence[SelectedExpert],
    fusion: Fusion,
    rows: Sequence[PieceRow],
    values: tuple[Tensor, Tensor, Tensor],
    *,
    unseen: bool,
) -> Scored:
    """`values`: presence (P, E), log-odds of experts (E, P) and of the head (S, P)."""
    present_PE, expert_EP, fused_SP = values
    able_SP = torch.stack([(present_PE[:, ran > 0] > 0).all(1) for ran in fusion.head_data.sets])
    costs_E1 = np.array([[entry.cost_ms / 1e3] for entry in selected])
    runs_PE = np.array(
        [[len(sources_of(row, entry.expert.modality)) for entry in selected] for row in rows], np.float32
    )
    return Scored(
        piece_ids=tuple(row.piece_id for row in rows),
        labels=np.array([row.label == "nok" for row in rows]),
        units=tuple(units_of(row, dataset.modalities) for row in rows),
        experts=tuple(entry.expert.name for entry in selected),
        expert_logits=torch.where(present_PE.T > 0, expert_EP, torch.nan).numpy().astype(np.float64),
        sets=fusion.sets,
        logits=torch.where(able_SP, fused_SP, torch.nan).numpy().astype(np.float64),
        cpu_s=costs_E1 * runs_PE.T,
        unseen=np.full(len(rows), unseen),
    )


def _joined(first: Scored, second: Scored) -> Scored:
    return Scored(
        piece_ids=first.piece_ids + second.piece_ids,
        labels=np.concatenate([first.labels, second.labels]),
        units=first.units + second.units,
        experts=first.experts,
        expert_logits=np.concatenate([first.expert_logits, second.expert_logits], axis=1),
        sets=first.sets,
        logits=np.concatenate([first.logits, second.logits], axis=1),
        cpu_s=np.concatenate([first.cpu_s, second.cpu_s], axis=1),
        unseen=np.concatenate([first.unseen, second.unseen]),
    )
