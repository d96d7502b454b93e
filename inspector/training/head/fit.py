"""Fits the fusion head on recordings that no encoder has seen.

The encoders are fitted on the training split, the head on the calibration split: log-odds of an encoder on its own
training data are overconfident, and tokens from encoders of other folds are not comparable. The number of steps, and
the scores for calibration, limits and routing, come from cross-fitting over folds that share no group.
Letters: P pieces, E experts, N tokens, D width, O = 1 + K outputs, S sets of experts.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from fusion.calibration import fit as fit_calibration
from fusion.head import Fused, FusionHead, HeadForm
from inspector.dataset.splits import crossed_folds
from inspector.training.config import HeadFitting
from inspector.training.experts.network import multi_label_loss

CERTAINTY = 2.0
"""Standard errors by which a fitted head must beat noisy-or; a smaller gain may be noise."""


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

    def of(self, pieces: Tensor) -> "HeadData":
        return HeadData(
            self.encodings.of(pieces),
            self.sets,
            self.whole,
            self.targets[:, pieces],
            self.own_targets[:, pieces],
        )


@dataclass(frozen=True, eq=False)
class FittedHead:
    head: FusionHead
    steps: int
    """0: noisy-or of calibrated experts, since fitting brought no certain gain."""
    logits: Float[Tensor, "S P"]
    """Cross-fitted: the head that scores a piece has seen none of its groups."""
    losses: Mapping[int, float]
    """Cross-fitted loss by number of steps."""
    joint: bool = False
    """Fitted jointly with the encoders; then `steps` counts epochs, and `losses` are those of held-out pieces."""
    class_logits: Float[Tensor, "S P K"] | None = None
    """Cross-fitted like `logits`."""


def fit_head(
    form: HeadForm,
    head_data: HeadData,
    groups: Sequence[Mapping[str, str]],
    settings: HeadFitting,
    seed: int,
    progress: Callable[[int, int], None],
) -> FittedHead:
    """Chooses the number of steps by cross-fitting, then fits on all pieces."""
    pairs = crossed_folds(groups, settings.num_folds, seed)
    checks = range(0, settings.max_steps + 1, settings.check_every)
    num_sets, num_pieces = head_data.targets.shape[:2]
    outputs = torch.full((len(checks), num_sets, num_pieces, head_data.targets.shape[2]), math.nan)
    for index, (fit, score) in enumerate(pairs):
        held = torch.tensor(score)
        run = HeadRun(form, head_data.of(torch.tensor(fit, dtype=torch.long)), settings, seed)
        for check, steps in enumerate(checks):
            run.advance(steps)
            outputs[check][:, held] = run.outputs(head_data.encodings.of(held))
        progress(index + 1, len(pairs) + 1)
    scores = outputs[..., 0]
    losses = {steps: float(_whole_losses(scores[check], head_data).mean()) for check, steps in enumerate(checks)}
    best = min(checks, key=lambda steps: losses[steps])
    if not _surely_better(scores[checks.index(best)], scores[0], head_data, groups):
        best = 0
    final = HeadRun(form, head_data, settings, seed)
    final.advance(best)
    progress(len(pairs) + 1, len(pairs) + 1)
    chosen = outputs[checks.index(best)]
    return FittedHead(final.head.eval(), best, chosen[..., 0], losses, class_logits=chosen[..., 1:])


def _whole_losses(logits_SP: Float[Tensor, "S P"], head_data: HeadData) -> Float[Tensor, " P"]:
    """Cross-entropy of every labelled piece, mean over the sets that cover all modalities."""
    whole = torch.tensor(head_data.whole)
    targets, logits = head_data.targets[whole][:, :, 0], logits_SP[whole]
    known = ~targets.isnan().any(0)
    losses = nn.functional.binary_cross_entropy_with_logits(logits[:, known], targets[:, known], reduction="none")
    return losses.mean(0)


def _surely_better(
    logits_SP: Float[Tensor, "S P"],
    start_SP: Float[Tensor, "S P"],
    head_data: HeadData,
    groups: Sequence[Mapping[str, str]],
) -> bool:
    """Whether the loss per piece falls by more than `CERTAINTY` standard errors, with errors clustered by group.

    A fitted head has a price: training pieces then have no out-of-fold scores, so that limits and routes rest on the
    calibration pieces alone, and the encoders are not fitted again. On three real sets the gain of .001 to .008 was not
    worth it.
    """
    whole = torch.tensor(head_data.whole)
    targets_SP = head_data.targets[whole][:, :, 0]
    gains_P = (_losses(start_SP[whole], targets_SP) - _losses(logits_SP[whole], targets_SP)).mean(0)
    known_P = ~gains_P.isnan()
    deviations_P = torch.where(known_P, gains_P - gains_P[known_P].mean(), 0.0).numpy()
    errors = [
        _sum_error(deviations_P, [by_kind.get(kind, "") for by_kind in groups])
        for kind in {k for by_kind in groups for k in by_kind}
    ]
    return float(gains_P[known_P].sum()) > CERTAINTY * max(errors)


def _sum_error(deviations: NDArray[np.float32], groups: Sequence[str]) -> float:
    """Standard error of the sum of deviations from the mean, for independent groups."""
    owners = np.unique(groups, return_inverse=True)[1]
    return float(np.sqrt((np.bincount(owners, deviations) ** 2).sum()))


def _losses(logits: Tensor, targets: Tensor) -> Tensor:
    return nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")


class HeadRun:
    """Fits a head step by step, starting as noisy-or of Platt-calibrated experts."""

    def __init__(self, form: HeadForm, head_data: HeadData, settings: HeadFitting, seed: int) -> None:
        torch.manual_seed(seed)
        self.head = FusionHead(form)
        self._head_data, self._steps = head_data, 0
        _calibrate_experts(self.head, head_data)
        self._optimiser = torch.optim.AdamW(
            self.head.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )

    def advance(self, steps: int) -> None:
        self.head.train()
        while self._steps < steps:
            self._step()
            self._steps += 1

    def outputs(self, encodings: Encodings) -> Float[Tensor, "S P O"]:
        self.head.eval()
        with torch.no_grad():
            return torch.stack([encodings.read(self.head, ran).logits for ran in self._head_data.sets])

    def _step(self) -> None:
        """Modality dropout: half of the pieces with all modalities, the others with a random set of experts."""
        head_data = self._head_data
        num_sets, num_pieces = head_data.targets.shape[:2]
        whole = torch.tensor(head_data.whole).nonzero()[:, 0]
        chosen = torch.randint(num_sets, (num_pieces,))
        full = whole[torch.randint(len(whole), (num_pieces,))]
        chosen = torch.where(torch.rand(num_pieces) < 0.5, full, chosen)
        fused = head_data.encodings.read(self.head, head_data.sets[chosen])
        targets = head_data.targets[chosen, torch.arange(num_pieces)]
        self._optimiser.zero_grad()
        multi_label_loss(fused.logits, targets, torch.tensor(1.0)).backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()


@torch.no_grad()
def _calibrate_experts(head: FusionHead, head_data: HeadData) -> None:
    """Fits Platt's sigmoid per expert for the defect; classes keep their log-odds until they are fitted."""
    for index, logits in enumerate(head_data.encodings.logits):
        known = (head_data.encodings.present[:, index] > 0) & ~head_data.own_targets[index].isnan()
        labels = head_data.own_targets[index][known].numpy() > 0.5
        if labels.all() or not labels.any():
            continue
        sigmoid = fit_calibration(logits[known, 0].numpy().astype(np.float64), labels)
        head.log_slope[index, 0] = -math.log(sigmoid.temperature)
        head.bias[index, 0] = sigmoid.bias
