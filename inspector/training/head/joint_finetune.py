"""Fine-tunes encoders and head jointly, if labels per modality leave defects unexplained.

Starts from separately fitted encoders and keeps the result only if held-out groups bear out its gain.
Letters: P pieces, E experts, O = 1 + K outputs, S sets of experts.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from encoders.tokens import Encoded
from fusion.agreement import Agreement
from fusion.calibration import Scores
from fusion.head import FusionHead
from inspector.bundle.schema import Modality
from inspector.dataset.labels import own_label
from inspector.dataset.manifest import PieceRow
from inspector.dataset.splits import crossed_folds
from inspector.statistics.evidence import Choice, Rule
from inspector.training.config import ImageExpert, JointFitting, SignalExpert
from inspector.training.dataset import Dataset
from inspector.training.experts.augment import augment_pictures, augment_signals
from inspector.training.experts.network import multi_label_loss
from inspector.training.export import TrainedExpert
from inspector.training.frames import worst
from inspector.training.head.contrastive import align, contrast, scale
from inspector.training.head.head_data import Encodings, HeadData
from inspector.training.head.head_run import calibrate_experts
from inspector.training.head.joint_pieces import JointPieces, joint_pieces
from inspector.training.head.keep_joint import HeldOut
from inspector.training.inputs import cut

NUM_FOLDS = 5
HEAD_BATCH = 128


@dataclass(frozen=True)
class JointFit:
    """Result of joint fine-tuning; losses are those of the fused score on held-out pieces."""

    kept: bool
    best_epoch: int
    staged_loss: float
    joint_loss: float
    choices: tuple[Choice, ...] = ()
    """Why it was kept or not, for the report."""


def unexplained(rows: Sequence[PieceRow], modalities: Sequence[Modality]) -> list[PieceRow]:
    """Defective pieces whose modalities are all labelled ok: the defect shows only in their combination."""
    return [row for row in rows if row.label == "nok" and all(own_label(row, m) == "ok" for m in modalities)]


def fine_tune(
    experts: Sequence[TrainedExpert],
    head: FusionHead,
    dataset: Dataset,
    settings: JointFitting,
    seed: int,
    progress: Callable[[int, int], None],
    rule: Rule = Rule.BOUND,
) -> JointFit:
    """Changes the modules of `experts` and `head` in place, or restores them unless held-out groups bear it out.

    The first epoch fits the head alone on fixed tokens: first the match of good pieces, by contrast, then the whole
    head. Encoders fitted together with an untrained head lost the information that it needs (AUC of mismatches .48
    after 15 epochs). Heads vary with their random weights, so that several are fitted and the best goes on.
    `progress` counts each head and each later epoch.
    """
    torch.manual_seed(seed)
    pieces = joint_pieces(dataset, experts)
    rows = dataset.labelled("train")
    fit, held = (torch.tensor(part) for part in crossed_folds([row.groups for row in rows], NUM_FOLDS, seed)[0])
    run = _Run(experts, head, pieces, settings)
    labels = (pieces.targets[pieces.whole, held, 0] == 1).numpy()
    judged = HeldOut(labels, [rows[index].groups for index in held.tolist()], run.staged(held))
    start = best = copy.deepcopy(run.modules.state_dict())
    best_epoch, done, total = 0, 0, settings.heads + settings.epochs - 1
    for fits in (run.heads(fit, held), run.passes(fit, held)):
        for epoch, name, logits in fits:
            if judged.add(logits, name):
                best, best_epoch = copy.deepcopy(run.modules.state_dict()), epoch
            done += 1
            progress(done, total)
        run.modules.load_state_dict(best)
    kept, choice = judged.decide(rule)
    run.modules.load_state_dict(best if kept else start)
    run.modules.eval()
    losses = (judged.staged_loss, judged.best_loss if kept else judged.staged_loss)
    return JointFit(kept, best_epoch if kept else 0, *losses, (choice,))


class Fit(NamedTuple):
    """One fit, and what it says of the held-out pieces."""

    epoch: int
    name: str
    logits: Scores


class _Run:
    """Fits heads, then encoders and head epoch by epoch."""

    def __init__(
        self, experts: Sequence[TrainedExpert], head: FusionHead, pieces: JointPieces, settings: JointFitting
    ) -> None:
        self._experts, self._head, self._pieces, self._settings = experts, head, pieces, settings
        self.modules = nn.ModuleList([head, *(expert.module for expert in experts)])
        encoders = [parameter for expert in experts for parameter in expert.module.parameters()]
        groups = [
            {"params": encoders, "lr": settings.learning_rate},
            {"params": head.parameters(), "lr": settings.head_learning_rate},
        ]
        self._optimiser = torch.optim.AdamW(groups, weight_decay=0.02)

    def heads(self, rows: Tensor, held: Tensor) -> Iterator[Fit]:
        """Fits the head alone to these pieces, from its own weights and then from others; encoders do not change."""
        known, encodings = self._encoded(rows), self._encodings(held)
        for number in range(1, self._settings.heads + 1):
            if number > 1:
                self._head.load_state_dict(FusionHead(self._head.form).state_dict())
            self._learn_head(known, rows)
            yield Fit(1, "epoch 1" if number == 1 else f"epoch 1, head {number}", self._defects(encodings, held))

    def passes(self, rows: Tensor, held: Tensor) -> Iterator[Fit]:
        """The later epochs, which change encoders and head."""
        for epoch in range(2, self._settings.epochs + 1):
            self.advance(rows)
            yield Fit(epoch, f"epoch {epoch}", self._defects(self._encodings(held), held))

    def _learn_head(self, known: Sequence[Encoded], rows: Tensor) -> None:
        """The weights are the mean of those of the second half of the steps (Izmailov et al., 2018,
        arXiv:1803.05407)."""
        pieces, settings = self._pieces, self._settings
        self._compare(known, rows)
        optimiser = torch.optim.AdamW(self._head.parameters(), lr=settings.head_learning_rate, weight_decay=0.02)
        self._head.train()
        averaged = AveragedModel(self._head)
        for step in range(settings.head_steps):
            chosen = torch.randperm(len(rows))[:HEAD_BATCH]
            batch, sets = rows[chosen], self._random_sets(len(chosen))
            encoded = [Encoded(*(output[chosen] for output in outputs_of_expert)) for outputs_of_expert in known]
            fused = self._fused(encoded, pieces.present[batch] * pieces.sets[sets])
            optimiser.zero_grad()
            multi_label_loss(fused, pieces.targets[sets, batch], torch.tensor(1.0)).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            if step >= settings.head_steps // 2:
                averaged.update_parameters(self._head)
        self._head.load_state_dict(averaged.module.state_dict())

    def _compare(self, known: Sequence[Encoded], rows: Tensor) -> None:
        """Fits the comparison of modalities: matches in good pieces, and mismatches that no modality shows alone."""
        pieces = self._pieces
        targets = pieces.targets[pieces.whole, rows]
        shown = (pieces.own_targets[:, rows, 0] == 1).any(0)
        for agreement, (first, second) in self._compared():
            both = (pieces.present[rows][:, [first, second]] > 0).all(1)
            good, judged = both & (targets[:, 0] == 0), both & ~shown
            align(agreement, known[first].tokens[good], known[second].tokens[good])
            scale(agreement, known[first].tokens[judged], known[second].tokens[judged], targets[judged])

    def _compared(self) -> list[tuple[Agreement, tuple[int, int]]]:
        pairs = zip(self._head.agreements, self._head.pairs, strict=True)
        return [(agreement, pair) for agreement, pair in pairs if isinstance(agreement, Agreement)]

    def _random_sets(self, count: int) -> Tensor:
        """All experts for half of the pieces, a random set for the others."""
        return torch.where(torch.rand(count) < 0.5, self._pieces.whole, torch.randint(len(self._pieces.sets), (count,)))

    def advance(self, rows: Tensor) -> None:
        """One pass. Statistics of batch normalisation stay fixed, since there are few batches."""
        self.modules.eval()
        self._head.train()
        most = self._pieces.rows_per_run(self._settings.batch_size)
        for batch in torch.split(rows[torch.randperm(len(rows))], most):
            self._optimiser.zero_grad()
            self._batch_loss(batch).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self.modules.parameters(), 5.0)
            self._optimiser.step()

    def staged(self, rows: Tensor) -> Scores:
        """Log-odds before the joint fit: noisy-or of experts that are calibrated, so that no bad scale is repaired."""
        pieces, encodings = self._pieces, self._encodings(rows)
        everything = pieces.sets[pieces.whole]
        targets, groups = pieces.own_targets[:, rows, 0], pieces.own_groups[:, rows]
        fused_targets = pieces.targets[[pieces.whole]][:, rows]
        head_data = HeadData(encodings, everything[None], (True,), fused_targets, targets, groups)
        head = copy.deepcopy(self._head)
        calibrate_experts(head, head_data)
        return self._defects(encodings, rows, head)

    @torch.no_grad()
    def _defects(self, encodings: Encodings, rows: Tensor, head: FusionHead | None = None) -> Scores:
        """Fused log-odds of the defect with all experts, without augmentation; NaN where the piece has no label."""
        pieces = self._pieces
        fused = encodings.read((head or self._head).eval(), pieces.sets[pieces.whole]).logits[:, 0]
        known = ~pieces.targets[pieces.whole, rows, 0].isnan()
        return fused.where(known, torch.nan).numpy().astype(np.float64)

    def _encodings(self, rows: Tensor) -> Encodings:
        encoded = self._encoded(rows)
        tokens, logits = tuple(e.tokens for e in encoded), tuple(e.logits for e in encoded)
        return Encodings(tokens, logits, self._pieces.present[rows])

    @torch.no_grad()
    def _encoded(self, rows: Tensor) -> list[Encoded]:
        """Outputs of each expert for these pieces, without augmentation."""
        self.modules.eval()
        parts = [self._encode(part, changed=False) for part in torch.split(rows, self._pieces.rows_per_run(64))]
        return [Encoded(*(torch.cat(outputs) for outputs in zip(*of, strict=True))) for of in zip(*parts, strict=True)]

    def _batch_loss(self, rows: Tensor) -> Float[Tensor, ""]:
        """Sum of the losses of the fused score, of each expert alone, and of the alignment."""
        pieces, settings, one = self._pieces, self._settings, torch.tensor(1.0)
        chosen = self._random_sets(len(rows))
        encoded = self._encode(rows, changed=True)
        fused = self._fused(encoded, pieces.present[rows] * pieces.sets[chosen])
        loss = multi_label_loss(fused, pieces.targets[chosen, rows], one)
        for outputs, targets in zip(encoded, pieces.own_targets, strict=True):
            loss = loss + settings.auxiliary * multi_label_loss(outputs.logits, targets[rows], one)
        good = pieces.targets[pieces.whole, rows, 0] == 0
        for agreement, (first, second) in self._compared():
            pair = good & (pieces.present[rows][:, [first, second]] > 0).all(1)
            if pair.sum() > 1:
                apart = contrast(agreement, encoded[first].tokens[pair], encoded[second].tokens[pair])
                loss = loss + settings.alignment * apart
        return loss

    def _encode(self, rows: Tensor, *, changed: bool) -> list[Encoded]:
        """Outputs of the experts; of several images of a piece, those of the one currently most like a defect."""
        encoded = []
        for index, expert in enumerate(self._experts):
            inputs, places = self._pieces.take(index, rows)
            if changed:
                inputs = _augmented(inputs, expert.config)
            seen: Encoded = expert.module(cut(inputs, expert.input))
            encoded.append(Encoded(*(output[worst(seen.logits[:, 0], places)] for output in seen)))
        return encoded

    def _fused(self, encoded: Sequence[Encoded], here_PE: Float[Tensor, "B E"]) -> Float[Tensor, "B O"]:
        tokens = [outputs.tokens * here_PE[:, index, None, None] for index, outputs in enumerate(encoded)]
        logits = [outputs.logits * here_PE[:, index, None] for index, outputs in enumerate(encoded)]
        fused: Tensor = self._head(tokens, logits, here_PE).logits
        return fused


def _augmented(inputs: Float[Tensor, "B ..."], config: ImageExpert | SignalExpert) -> Float[Tensor, "B ..."]:
    return augment_pictures(inputs, config) if isinstance(config, ImageExpert) else augment_signals(inputs, config)
