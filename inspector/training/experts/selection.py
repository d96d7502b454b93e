"""Scores the candidate experts by cross-validation on grouped folds, and fits those that ship."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from inspector.bundle.schema import input_shape
from inspector.statistics.classification import area_under_curve
from inspector.training.config import ImageExpert, SignalExpert
from inspector.training.experts.fitting import Fitted, Fitter, TrainingData
from inspector.training.experts.frozen_backbone import FrozenBackboneFitter
from inspector.training.experts.kernel_machine import KernelFitter
from inspector.training.experts.lora import tuning_of
from inspector.training.experts.network import NetworkFitter
from inspector.training.export import TrainedExpert, cost_ms, to_onnx
from inspector.training.inputs import Encoder

_log = logging.getLogger("inspector.training")


@dataclass(frozen=True, eq=False)
class CrossValidationResult:
    """Cross-validated scores of one candidate."""

    data: TrainingData
    fitter: Fitter
    logits: Float[Tensor, "R O"]
    """Out-of-fold log-odds; NaN where a recording was not scored."""
    auc: float
    """Per piece, not per image."""

    @property
    def complete(self) -> bool:
        """Whether every recording has an out-of-fold score."""
        return not bool(self.logits[:, 0].isnan().any())

    @property
    def judged(self) -> Float[Tensor, "P O"]:
        return self.data.judged(self.logits)

    @property
    def name(self) -> str:
        return self.data.config.name

    @property
    def modality(self) -> str:
        return self.data.config.modality

    def line(self) -> str:
        """For the model card and the log."""
        return f"{self.name} {self.auc:.3f}"


@dataclass(frozen=True, eq=False)
class SelectedExpert:
    """An expert that ships, fitted on all training recordings."""

    expert: TrainedExpert
    fitted: Fitted
    out_of_fold_logits: Float[Tensor, "R O"]
    cost_ms: float


def make_fitter(data: TrainingData, cross_fit: bool) -> Fitter:
    config = data.config
    every_fold = cross_fit or config.fitting.every_fold
    if isinstance(config, SignalExpert) and config.encoder.endswith("_profile"):
        return KernelFitter(data)
    if isinstance(config, ImageExpert) and config.readout == "kernel":
        return KernelFitter(data)
    if not isinstance(config, ImageExpert):
        return NetworkFitter(data, every_fold)
    choice = tuning_of(config, len(set(data.groups)))
    if choice.warning:
        _log.warning(choice.warning)
    return FrozenBackboneFitter(data) if choice.tuning == "frozen" else NetworkFitter(data, every_fold, choice.tuning)


def cross_validate(
    data: TrainingData, folds: Sequence[int], cross_fit: bool, report: Callable[[int, int], None]
) -> CrossValidationResult:
    fitter = make_fitter(data, cross_fit)
    logits = fitter.cross_fitted(folds, report)
    return CrossValidationResult(data, fitter, logits, auc_of(data.judged(logits), data.judged_targets))


def auc_of(logits: Float[Tensor, "R O"], targets: Float[Tensor, "R O"]) -> float:
    known = ~(logits[:, 0].isnan() | targets[:, 0].isnan())
    labels = targets[known, 0].numpy() >= 0.5
    if labels.all() or not labels.any():
        return float("nan")
    return area_under_curve(logits[known, 0].numpy().astype(np.float64), labels)


def fit_final(
    result: CrossValidationResult, report: Callable[[int, int], None], cost_ms: float | None = None
) -> SelectedExpert:
    """`cost_ms`: if known from an earlier fit of the same network."""
    module, fitted = result.fitter.final(report)
    data = result.data
    expert = TrainedExpert(data.config, data.form, module.eval())
    return SelectedExpert(expert, fitted, result.logits, _cost_ms(expert, module) if cost_ms is None else cost_ms)


def _cost_ms(expert: TrainedExpert, module: Encoder) -> float:
    """Cost of the exported graph."""
    probe = torch.zeros(2, *input_shape(expert.input))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "expert.onnx"
        to_onnx(module, {"input": probe}, ("tokens", "logits", "relevance"), path)
        return cost_ms(path, {"input": probe[:1].numpy()})
