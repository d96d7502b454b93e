"""Trains an expert on a new recipe while it keeps the old ones: replay, EWC, and a gate on forgetting.

Replay of a small balanced memory; elastic weight consolidation: Kirkpatrick et al.
(2017), with the exact diagonal Fisher information of the defect's Bernoulli in place of sampled labels.
Letters: M recordings of the memory, O = 1 + K outputs.
"""

import copy
import logging
import random
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, zip_longest
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from encoders.tokens import Encoded
from encoders.vision import VisionEncoder
from fusion.calibration import Labels, Scores
from inspector.training.config import ImageExpert
from inspector.training.experts.augment import augment_pictures, augment_signals
from inspector.training.experts.gradient_descent import DescentSettings, gradient_descent
from inspector.training.experts.lora import Tuning, tuned, tuning_of
from inspector.training.experts.network import Recordings, balance, multi_label_loss
from inspector.training.export import TrainedExpert
from inspector.training.inputs import cut

_log = logging.getLogger("inspector.training")


@dataclass(frozen=True)
class Retention:
    """How the old recipes are retained while a new one is learned."""

    replay: bool = True
    """Half of every step's loss comes from the memory."""
    stiffness: float = 100.0
    """Weight of the EWC penalty, relative to the mean importance of the parameters; 0 turns it off."""
    hold_statistics: bool = True
    """Keep the means of batch normalisation: they drift to the new product, and no penalty on weights prevents it."""
    descent: DescentSettings = field(default_factory=lambda: DescentSettings(epochs=10, learning_rate=1e-3))


def balanced_memory(old: Recordings, size: int, seed: int) -> Recordings:
    """Up to `size` recordings, drawn in turn from each kind (good, each defect), so that rare kinds are included."""
    kinds: dict[tuple[bool, ...], list[int]] = defaultdict(list)
    for row, targets in enumerate((old.targets > 0.5).tolist()):
        kinds[tuple(targets)].append(row)
    draw = random.Random(seed)  # noqa: S311 - no secret
    piles = [draw.sample(rows, len(rows)) for _, rows in sorted(kinds.items())]
    in_turn = [row for row in chain.from_iterable(zip_longest(*piles)) if row is not None]
    chosen = torch.tensor(in_turn[:size])
    return Recordings(old.inputs[chosen], old.targets[chosen])


def trainable_parameters(module: nn.Module) -> dict[str, nn.Parameter]:
    return {name: weight for name, weight in module.named_parameters() if weight.requires_grad}


def importance(expert: TrainedExpert, memory: Recordings) -> dict[str, Tensor]:
    """Diagonal Fisher information by parameter: the mean over the memory of p (1 - p) (d logit / d weight)^2."""
    module = expert.module.eval()
    names, weights = zip(*trainable_parameters(module).items(), strict=True)
    total = [torch.zeros_like(weight) for weight in weights]
    for recording in torch.split(memory.inputs, 1):
        encoded: Encoded = module(cut(recording, expert.input))
        logit = encoded.logits[0, 0]
        chance = torch.sigmoid(logit.detach())
        slopes = torch.autograd.grad(logit, weights, allow_unused=True, materialize_grads=True)
        for mean_square, slope in zip(total, slopes, strict=True):
            mean_square += chance * (1 - chance) * slope**2 / len(memory.inputs)
    return dict(zip(names, total, strict=True))


def relative(importance: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Scaled to a mean of 1 over all parameters."""
    mean = torch.cat([values.flatten() for values in importance.values()]).mean().clamp_min(1e-12)
    return {name: values / mean for name, values in importance.items()}


@dataclass(frozen=True, eq=False)
class Anchor:
    """The weights before, and their importance for the old recipes."""

    weights: Mapping[str, Tensor]
    importance: Mapping[str, Tensor]

    def pull(self, module: nn.Module) -> Tensor:
        moved = (
            (weight - self.weights[name]) ** 2 * self.importance[name]
            for name, weight in trainable_parameters(module).items()
        )
        return 0.5 * torch.stack([part.sum() for part in moved]).sum()


def learn(
    expert: TrainedExpert,
    new: Recordings,
    memory: Recordings,
    retention: Retention,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> TrainedExpert:
    """A copy of the expert, trained on the new recordings; `expert` stays unchanged.

    `tuning_of` decides whether a timm backbone is frozen, gets low-rank updates or is fitted in full.
    """
    learner = replace(expert, module=copy.deepcopy(expert.module))
    tuning = _tuning(expert, len(new.inputs))
    if tuning == "frozen" and isinstance(learner.module, VisionEncoder):
        learner.module.backbone.requires_grad_(False)
    with tuned(learner.module, tuning):
        _fit(learner, new, memory, retention, progress)
    learner.module.eval()
    return learner


def _tuning(expert: TrainedExpert, num_recordings: int) -> Tuning:
    if not (isinstance(expert.config, ImageExpert) and isinstance(expert.module, VisionEncoder)):
        return "full"
    choice = tuning_of(expert.config, num_recordings)
    if choice.warning:
        _log.warning(choice.warning)
    return choice.tuning


def _fit(
    learner: TrainedExpert,
    new: Recordings,
    memory: Recordings,
    retention: Retention,
    progress: Callable[[int, int], None],
) -> None:
    """Fits the trainable weights."""
    anchor = None
    if retention.stiffness > 0:
        start = {name: weight.detach().clone() for name, weight in trainable_parameters(learner.module).items()}
        anchor = Anchor(start, relative(importance(learner, memory)))
    learner.module.train(not retention.hold_statistics)

    def loss_of(rows: Tensor) -> Tensor:
        loss = _loss(learner, new, rows)
        if retention.replay:
            loss = loss + _loss(learner, memory, torch.randint(len(memory.inputs), (len(rows),)))
        return loss if anchor is None else loss + retention.stiffness * anchor.pull(learner.module)

    gradient_descent(learner.module, loss_of, len(new.inputs), retention.descent, progress)


def _loss(expert: TrainedExpert, data: Recordings, rows: Tensor) -> Tensor:
    config, inputs = expert.config, data.inputs[rows]
    changed = augment_pictures(inputs, config) if isinstance(config, ImageExpert) else augment_signals(inputs, config)
    encoded: Encoded = expert.module(cut(changed, expert.input))
    return multi_label_loss(encoded.logits, data.targets[rows], balance(data.targets))


class AtLimit(NamedTuple):
    """Counts of labelled pieces at one limit."""

    caught: int
    defective: int
    rejected: int
    good: int

    @property
    def recall(self) -> float:
        return self.caught / max(self.defective, 1)

    @property
    def false_rejects(self) -> float:
        return self.rejected / max(self.good, 1)


def at_limit(scores: Scores, labels: Labels, limit: float) -> AtLimit:
    """Pieces with scores at or above the limit do not pass: the defective are caught, the good rejected."""
    held = scores >= limit
    return AtLimit(int(np.sum(held & labels)), int(labels.sum()), int(np.sum(held & ~labels)), int(np.sum(~labels)))


class Tolerance(NamedTuple):
    """How much worse an old recipe may become: lost recall, and additional good pieces that do not pass."""

    recall: float = 0.0
    false_rejects: float = 0.02


class Gate(NamedTuple):
    """One old recipe at its old limit, before and after."""

    recipe: str
    before: AtLimit
    after: AtLimit
    tolerance: Tolerance

    @property
    def open(self) -> bool:
        lost = self.before.recall - self.after.recall
        gained = self.after.false_rejects - self.before.false_rejects
        return lost <= self.tolerance.recall + 1e-9 and gained <= self.tolerance.false_rejects + 1e-9

    def __str__(self) -> str:
        before, after = self.before, self.after
        return (
            f"{self.recipe}: {'kept' if self.open else 'lost'}: recall {before.recall:.3f} -> {after.recall:.3f} "
            f"({before.caught} -> {after.caught} of {before.defective} defective pieces, tolerance "
            f"{self.tolerance.recall:.3f}), good pieces held back {before.false_rejects:.3f} -> "
            f"{after.false_rejects:.3f} (tolerance {self.tolerance.false_rejects:.3f})"
        )
