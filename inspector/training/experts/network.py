"""Fits one network on the recordings of its modality, with early stopping on held-out groups.

Letters: R recordings, O = 1 + K outputs.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from encoders.tokens import Encoded
from encoders.vision import SCRATCH, VisionEncoder
from inspector.bundle.schema import ImageInput, SignalInput
from inspector.training.batches import batch_rows, num_parts
from inspector.training.config import ExpertConfig, ImageExpert
from inspector.training.experts.augment import augment_pictures, augment_signals
from inspector.training.experts.fitting import Fitted, Report, TrainingData, out_of_fold, rows_of
from inspector.training.experts.lora import Tuning, tuned, tuning_of
from inspector.training.inputs import Encoder, build_encoder, cut

CLASS_WEIGHT = 0.3
"""Weight of all classes together, relative to 1 for the defect."""
AVERAGING = 0.4
"""Share that averaged weights keep per pass: makes early stopping more stable. At 0.8 short fits lagged."""

EARLY_STOPPING = "gradient descent, stopped by held-out groups"
FULL_SCHEDULE = "gradient descent, to the end of its schedule"


@dataclass(frozen=True, eq=False)
class Recordings:
    """Prepared inputs (pictures whole) with targets; NaN is unknown."""

    inputs: Float[Tensor, "R ..."]
    targets: Float[Tensor, "R O"]


@dataclass(frozen=True)
class Schedule:
    epochs: int
    learning_rate: float
    batch_size: int


def schedule(config: ExpertConfig, epochs: int | None) -> Schedule:
    """Networks from scratch are small: they need more passes and larger steps than pretrained ones."""
    scratch = not isinstance(config, ImageExpert) or config.encoder in SCRATCH
    fitting = config.fitting
    return Schedule(
        epochs or fitting.epochs or (60 if scratch else 25),
        fitting.learning_rate or (4e-3 if scratch else 1e-3),
        fitting.batch_size if scratch else min(fitting.batch_size, 16),
    )


def multi_label_loss(
    logits_RO: Float[Tensor, "R O"], targets_RO: Float[Tensor, "R O"], positive_weight: Float[Tensor, ""]
) -> Float[Tensor, ""]:
    """Cross-entropy of the defect, balanced, and of the classes; unknown targets are ignored."""
    known = ~targets_RO.isnan()
    targets = torch.where(known, targets_RO, torch.zeros_like(targets_RO))
    losses = nn.functional.binary_cross_entropy_with_logits(logits_RO, targets, reduction="none")
    weights = torch.full_like(losses, CLASS_WEIGHT / max(losses.shape[1] - 1, 1))
    weights[:, 0] = 1 + targets[:, 0] * (positive_weight - 1)
    weights = weights * known
    return (losses * weights).sum() / total_weight(targets_RO, positive_weight)


def total_weight(targets_RO: Float[Tensor, "R O"], positive_weight: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """Denominator of the loss: number of recordings with a known label, the defective ones weighted."""
    defective = targets_RO[:, 0]
    return (1 + defective * (positive_weight - 1)).nansum().clamp_min(1.0)


def balance(targets_RO: Float[Tensor, "R O"]) -> Float[Tensor, ""]:
    """Weight of a defective recording, so that good and defective ones count alike; at most 5."""
    defective = targets_RO[:, 0].nanmean().clamp(1e-3, 1 - 1e-3)
    return ((1 - defective) / defective).clamp(0.2, 5.0)


class EncoderFit:
    """One encoder, its data and its schedule; `run` leaves the best averaged weights in the module."""

    def __init__(self, module: nn.Module, config: ExpertConfig, form: ImageInput | SignalInput) -> None:
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.module = module.to(self._device).to(memory_format=torch.channels_last)
        self._config, self._form = config, form
        # A frozen backbone is always configured by name, whatever the number of recordings.
        frozen = isinstance(config, ImageExpert) and tuning_of(config, 0).tuning == "frozen"
        self._frozen = frozen and isinstance(module, VisionEncoder)
        if isinstance(module, VisionEncoder) and self._frozen:
            module.backbone.requires_grad_(False)

    def run(
        self, fit: Recordings, holdout: Recordings | None, plan: Schedule, progress: Callable[[int, int], None]
    ) -> Fitted:
        """Fits with early stopping; without a holdout, to the end of the schedule."""
        batches = max(1, math.ceil(len(fit.inputs) / plan.batch_size))
        optimiser = torch.optim.AdamW(self.module.parameters(), lr=plan.learning_rate, weight_decay=0.02)
        pace = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, plan.learning_rate, total_steps=batches * plan.epochs, pct_start=0.2
        )
        average = copy.deepcopy(self.module)
        how = FULL_SCHEDULE if holdout is None else EARLY_STOPPING
        weight, best = balance(fit.targets), Fitted(how, plan.epochs, 0, math.inf)
        best_state = copy.deepcopy(average.state_dict())
        for epoch in range(1, plan.epochs + 1):
            for rows in torch.randperm(len(fit.inputs)).tensor_split(batches):
                self._step(fit, rows, weight, optimiser)
                pace.step()
                _follow(average, self.module, AVERAGING ** (1 / batches))
            loss = None if holdout is None else self._loss(average, holdout, weight)
            if loss is None or best.holdout_loss is None or loss < best.holdout_loss:
                best, best_state = Fitted(how, plan.epochs, epoch, loss), copy.deepcopy(average.state_dict())
            progress(epoch, plan.epochs)
        self.module.load_state_dict(best_state)
        self.module.to("cpu").eval()
        return best

    def _step(self, fit: Recordings, rows: Tensor, weight: Float[Tensor, ""], optimiser: torch.optim.Optimizer) -> None:
        self.module.train()
        if isinstance(self.module, VisionEncoder) and self._frozen:
            self.module.backbone.eval()
        optimiser.zero_grad()
        whole = total_weight(fit.targets[rows], weight)
        for part in rows.tensor_split(num_parts(fit.inputs, len(rows), self._config.fitting.accumulate)):
            share = float(total_weight(fit.targets[part], weight) / whole)
            loss = self._part_loss(fit.inputs[part], fit.targets[part], weight) * share
            loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.module.parameters(), 5.0)
        optimiser.step()

    def _part_loss(
        self, inputs: Float[Tensor, "B ..."], targets: Float[Tensor, "B O"], weight: Float[Tensor, ""]
    ) -> Float[Tensor, ""]:
        """The loss of augmented recordings; in mixed precision (bfloat16) on a GPU."""
        config = self._config
        changed = (
            augment_pictures(inputs, config) if isinstance(config, ImageExpert) else augment_signals(inputs, config)
        )
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._device.type != "cpu"):
            encoded: Encoded = self.module(cut(changed, self._form).to(self._device))
        return multi_label_loss(encoded.logits.float(), targets.to(self._device), weight.to(self._device))

    def _loss(self, module: nn.Module, holdout: Recordings, weight: Float[Tensor, ""]) -> float:
        encoded = encode(module, holdout.inputs, self._form)
        return float(multi_label_loss(encoded.logits, holdout.targets, weight))


def _silent(done: int, total: int) -> None:
    """Reports no passes: folds report only their completion."""


class NetworkFitter:
    """Implements `Fitter` for networks with trainable weights.

    By default, fits once with one fold held out for early stopping and scoring, and ships that network. With
    `every_fold`, each fit runs its full schedule: once without each fold, and finally on everything.
    """

    def __init__(self, data: TrainingData, every_fold: bool, tuning: Tuning = "full") -> None:
        self._data, self._every_fold, self._tuning = data, every_fold, tuning
        self._kept: tuple[Encoder, Fitted] | None = None

    def cross_fitted(self, folds: Sequence[int], report: Report) -> Float[Tensor, "R O"]:
        """Log-odds of one fold, or of all with `every_fold`. One fold is slightly optimistic: it also stops the fit."""
        targets = self._data.targets
        if self._every_fold:
            return out_of_fold(targets, folds, lambda fit, held: self._read(self._fit(fit, None)[0], held), report)
        fit, held = rows_of(folds, 0)
        self._kept = self._fit(fit, held, report)
        logits = torch.full_like(targets, math.nan)
        logits[held] = self._read(self._kept[0], held)
        return logits

    def final(self, report: Report) -> tuple[Encoder, Fitted]:
        if self._every_fold:
            return self._fit(torch.arange(len(self._data.inputs)), None, report)
        if self._kept is None:
            raise RuntimeError("cross_fitted comes first: its network is the one that ships")
        report(1, 1)
        return self._kept

    def _read(self, module: Encoder, rows: Tensor) -> Float[Tensor, "H O"]:
        return encode(module, self._data.inputs[rows], self._data.form).logits

    def _fit(self, fit: Tensor, held: Tensor | None, report: Report = _silent) -> tuple[Encoder, Fitted]:
        data = self._data
        torch.manual_seed(data.seed)
        module = build_encoder(data.config, data.form, data.widths, data.weights)
        with tuned(module, self._tuning):
            fitted = EncoderFit(module, data.config, data.form).run(
                Recordings(data.inputs[fit], data.targets[fit]),
                None if held is None else Recordings(data.inputs[held], data.targets[held]),
                schedule(data.config, data.epochs),
                report,
            )
        return module, fitted


def encode(module: nn.Module, inputs: Float[Tensor, "R ..."], form: ImageInput | SignalInput) -> Encoded:
    """Outputs for many recordings, in evaluation mode and in batches of 64."""
    module.eval()
    device = next(module.parameters(), inputs).device
    with torch.no_grad():
        batches = torch.split(inputs, batch_rows(inputs, 64))
        encoded: list[Encoded] = [module(cut(batch, form).to(device)) for batch in batches]
    return Encoded(*(torch.cat(outputs).cpu() for outputs in zip(*encoded, strict=True)))


@torch.no_grad()
def _follow(average: nn.Module, module: nn.Module, keep: float) -> None:
    for averaged, new in zip(average.state_dict().values(), module.state_dict().values(), strict=True):
        if averaged.is_floating_point():
            averaged.lerp_(new, 1 - keep)
        else:
            averaged.copy_(new)
