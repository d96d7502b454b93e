"""Fits the fusion head on encoded pieces and says what it makes of each piece for every set of experts.

Pieces of the calibration split are unseen by every encoder and scored by heads of other folds; pieces of the training
split are scored from log-odds out of fold. Letters: P pieces, E experts, S sets, N tokens, D width, O = 1 + K outputs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from encoders.tokens import Encoded
from fusion.head import HeadForm, Member
from fusion.scored import Scored
from inspector.manifest import PieceRow, Split
from inspector.training.compete import Taken
from inspector.training.config import TrainConfig
from inspector.training.corpus import Corpus
from inspector.training.data import own_group, own_label
from inspector.training.encoder_fit import encode
from inspector.training.export import DraftExpert
from inspector.training.head_fit import Encodings, FittedHead, Lesson, fit_head
from inspector.training.inputs import prepare
from inspector.training.subsets import expert_sets


@dataclass(frozen=True, eq=False)
class Fusion:
    """The head, and what it was fitted on."""

    head: FittedHead
    lesson: Lesson
    sets: tuple[frozenset[str], ...]


def fuse(
    corpus: Corpus, taken: Sequence[Taken], config: TrainConfig, seed: int, progress: Callable[[int, int], None]
) -> Fusion:
    experts = [own.expert for own in taken]
    names = expert_sets(experts)
    lesson = _lesson(corpus, experts, names)
    members = tuple(Member(expert.modality, expert.num_tokens) for expert in experts)
    form = HeadForm(members, config.token_dim, len(corpus.classes))
    groups = [row.groups for row in corpus.labelled("calibration")]
    return Fusion(fit_head(form, lesson, groups, config.head, seed, progress), lesson, tuple(map(frozenset, names)))


def _lesson(corpus: Corpus, experts: Sequence[DraftExpert], sets: Sequence[tuple[str, ...]]) -> Lesson:
    rows = corpus.labelled("calibration")
    encoded = [_encode_pieces(corpus, expert) for expert in experts]
    present = [[expert.modality for expert in experts if expert.name in names] for names in sets]
    return Lesson(
        encodings=Encodings(
            tuple(own.tokens for own, _ in encoded),
            tuple(own.logits for own, _ in encoded),
            torch.stack([here for _, here in encoded], dim=1),
        ),
        sets=torch.tensor([[float(expert.name in names) for expert in experts] for names in sets]),
        whole=tuple(len(set(modalities)) == len(corpus.modalities) for modalities in present),
        targets=torch.stack([corpus.targets(rows, modalities) for modalities in present]),
        own_targets=torch.stack([corpus.targets(rows, [expert.modality])[:, 0] for expert in experts]),
    )


def _encode_pieces(corpus: Corpus, expert: DraftExpert) -> tuple[Encoded, Tensor]:
    """Outputs of one expert for the calibration pieces, and 1 where the piece has the recording."""
    recordings = [example.recording for example in corpus.examples("calibration", expert.modality).values()]
    encoded = encode(expert.module, prepare(recordings, expert.input), expert.input)
    index, here = _placed(corpus, expert, "calibration")
    return Encoded(*(output[index] for output in encoded)), here


def _placed(corpus: Corpus, expert: DraftExpert, split: Split) -> tuple[Tensor, Tensor]:
    """For every labelled piece the number of its recording, and 1 where it has one."""
    places = corpus.places(corpus.labelled(split), split, expert.modality)
    return torch.tensor([place or 0 for place in places]), torch.tensor([float(p is not None) for p in places])


def score(corpus: Corpus, taken: Sequence[Taken], fusion: Fusion) -> Scored:
    unseen = _unseen(corpus, taken, fusion)
    seen = _out_of_fold(corpus, taken, fusion) if fusion.head.steps == 0 else None
    return unseen if seen is None else _joined(seen, unseen)


def _unseen(corpus: Corpus, taken: Sequence[Taken], fusion: Fusion) -> Scored:
    encodings = fusion.lesson.encodings
    logits_EP = torch.stack([own[:, 0] for own in encodings.logits])
    rows = corpus.labelled("calibration")
    return _scored(corpus, taken, fusion, rows, (encodings.present, logits_EP, fusion.head.logits), unseen=True)


@torch.no_grad()
def _out_of_fold(corpus: Corpus, taken: Sequence[Taken], fusion: Fusion) -> Scored | None:
    """Training pieces all of whose recordings have log-odds out of fold; a head of no steps reads nothing but these."""
    logits, present = [], []
    for own in taken:
        index, here = _placed(corpus, own.expert, "train")
        logits.append(own.unseen_logits[index])
        present.append(here)
    present_PE = torch.stack(present, dim=1)
    logits_EPO = torch.stack(logits)
    chosen = (~logits_EPO[:, :, 0].isnan() | (present_PE.T == 0)).all(0)
    if not chosen.any():
        return None
    tokens = tuple(own.new_zeros((int(chosen.sum()), *own.shape[1:])) for own in fusion.lesson.encodings.tokens)
    encodings = Encodings(tokens, tuple(logits_EPO[:, chosen].nan_to_num()), present_PE[chosen])
    head = fusion.head.head.eval()
    fused_SP = torch.stack([encodings.read(head, ran).logits[:, 0] for ran in fusion.lesson.sets])
    rows = [row for row, own in zip(corpus.labelled("train"), chosen.tolist(), strict=True) if own]
    values = (encodings.present, torch.stack([own[:, 0] for own in encodings.logits]), fused_SP)
    return _scored(corpus, taken, fusion, rows, values, unseen=False)


def _scored(
    corpus: Corpus,
    taken: Sequence[Taken],
    fusion: Fusion,
    rows: Sequence[PieceRow],
    values: tuple[Tensor, Tensor, Tensor],
    *,
    unseen: bool,
) -> Scored:
    """`values`: presence (P, E), log-odds of experts (E, P) and of the head (S, P)."""
    present_PE, expert_EP, fused_SP = values
    able_SP = torch.stack([(present_PE[:, ran > 0] > 0).all(1) for ran in fusion.lesson.sets])
    costs_E1 = np.array([[own.cost_ms / 1e3] for own in taken])
    return Scored(
        piece_ids=tuple(row.piece_id for row in rows),
        labels=np.array([row.label == "nok" for row in rows]),
        units=tuple(units_of(corpus, row) for row in rows),
        experts=tuple(own.expert.name for own in taken),
        expert_logits=torch.where(present_PE.T > 0, expert_EP, torch.nan).numpy().astype(np.float64),
        sets=fusion.sets,
        logits=torch.where(able_SP, fused_SP, torch.nan).numpy().astype(np.float64),
        cpu_s=costs_E1 * present_PE.T.numpy(),
        unseen=np.full(len(rows), unseen),
    )


def units_of(corpus: Corpus, row: PieceRow) -> frozenset[str]:
    """What the evidence of a piece rests on: the recordings that carry its defect where that is known, else all."""
    labels = {modality.name: own_label(row, modality) for modality in corpus.modalities}
    named = [m for m in corpus.modalities if labels[m.name] == "nok"] if row.label == "nok" else []
    return frozenset(f"{m.name}={own_group(row, m)}" for m in named or corpus.modalities)


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
