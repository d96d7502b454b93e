"""Fits kernel machines on profiles of recordings, which are computed once for all folds.

Letters: R recordings, V width of a profile, O = 1 + K outputs.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from sklearn.svm import SVC
from torch import Tensor

from encoders.kernel import KernelEncoder, Machine
from encoders.profiles import Profile
from inspector.training.batches import batch_rows
from inspector.training.config import ImageExpert
from inspector.training.experts.fitting import Fitted, Report, TrainingData, out_of_fold
from inspector.training.inputs import build_encoder, cut

MARGIN_COST = 5.0
"""C of the machine: 3 to 10 scored alike on taps and cells by grouped folds; 1 was worse."""
NEVER = -4.0
"""Log-odds of a class with too few recordings to learn it."""
MIN_SHOWN = 5
"""Least number of recordings with a class and without it, in all data; a class that has them is learned in every fold.

Folds that stopped at 4 defects said `NEVER` to all, where the machine of all 6 was always right (wafers): AUC .45 out
of fold."""
BATCH = 64


class KernelFitter:
    """Implements `Fitter`."""

    def __init__(self, data: TrainingData) -> None:
        encoder = build_encoder(data.config, data.form, data.widths, data.weights)
        if not isinstance(encoder, KernelEncoder):
            raise TypeError(f"{data.config.name} is no kernel expert")
        self._data, self._encoder = data, encoder.eval()
        self._views = [_described(encoder, view, data) for view in _views(data)]
        self._targets = learned_targets(data.targets.numpy(), len(self._views))

    def cross_fitted(self, folds: Sequence[int], report: Report) -> Float[Tensor, "R O"]:
        return out_of_fold(self._data.targets, folds, self._scored, report)

    @torch.no_grad()
    def _scored(self, fit: Tensor, held: Tensor) -> Float[Tensor, "H O"]:
        self._fit(fit)
        logits: Tensor = self._encoder.read(_some(self._views[0], held)).logits
        return logits

    def final(self, report: Report) -> tuple[KernelEncoder, Fitted]:
        self._fit(torch.arange(len(self._data.inputs)))
        report(1, 1)
        return self._encoder, Fitted(f"kernel machine with {len(self._encoder.get_buffer('supports'))} supports")

    def _fit(self, rows: Tensor) -> None:
        vectors = np.concatenate([view.vector[rows].numpy() for view in self._views]).astype(np.float64)
        targets = self._targets[rows.numpy()]
        self._encoder.load_machine(machine(vectors, np.concatenate([targets] * len(self._views))))


def learned_targets(targets_RO: NDArray[np.float32], views: int = 1) -> NDArray[np.float32]:
    """NaN for outputs that too few recordings show, or lack. Every recording is seen in so many views."""
    fewest_O = views * np.minimum((targets_RO >= 0.5).sum(0), (targets_RO < 0.5).sum(0))
    return np.where(fewest_O >= MIN_SHOWN, targets_RO, np.float32(np.nan))


def machine(vectors_RV: NDArray[np.float64], targets_RO: NDArray[np.float32]) -> Machine:
    """One support vector machine per output, over the union of their supports. Soft targets get lower weights."""
    centre, scale = vectors_RV.mean(0), vectors_RV.std(0) + 1e-6
    standard = (vectors_RV - centre) / scale
    gamma = 1 / (standard.shape[1] * standard.var())
    weights_RO = np.zeros((len(standard), targets_RO.shape[1]))
    bias_O = np.full(targets_RO.shape[1], NEVER)
    for output, targets in enumerate(targets_RO.T):
        known = ~np.isnan(targets)
        if len(set(targets[known] >= 0.5)) > 1:
            weights_RO[known, output], bias_O[output] = _dual(standard[known], targets[known], gamma)
    used = np.abs(weights_RO).sum(1) > 0
    used[0] |= not used.any()
    return Machine(
        centre=centre.astype(np.float32),
        scale=scale.astype(np.float32),
        supports=standard[used].astype(np.float32),
        weights=weights_RO[used].astype(np.float32),
        bias=bias_O.astype(np.float32),
        gamma=float(gamma),
        usual=_usual(standard, targets_RO[:, 0]),
        directions=_directions(standard),
    )


def _dual(
    standard: NDArray[np.float64], targets: NDArray[np.float32], gamma: float
) -> tuple[NDArray[np.float64], float]:
    """Weight of every recording, and the bias."""
    labels, certainty = targets >= 0.5, np.abs(2 * targets - 1)
    svc = SVC(C=MARGIN_COST, gamma=gamma).fit(standard, labels, sample_weight=certainty + 1e-3)
    weights = np.zeros(len(standard))
    weights[svc.support_] = svc.dual_coef_[0]
    return weights, float(svc.intercept_[0])


def _usual(standard: NDArray[np.float64], defective: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean of the good recordings, or of all if there are none."""
    good = standard[np.nan_to_num(defective, nan=1.0) < 0.5]
    return np.asarray((good if len(good) else standard).mean(0), np.float32)


def _directions(standard: NDArray[np.float64]) -> NDArray[np.float32]:
    """Principal directions, scaled to unit variance, with fixed signs so that equal data give equal tokens."""
    _, spread, directions = np.linalg.svd(standard[:2048], full_matrices=False)
    kept = spread > 1e-3 * spread[0]
    columns = (directions[kept] / spread[kept, None]).T * np.sqrt(min(len(standard), 2048))
    columns = columns * np.sign(columns[np.abs(columns).argmax(0), np.arange(columns.shape[1])])
    return np.asarray(columns[:, :512], np.float32)


def _views(data: TrainingData) -> list[Tensor]:
    """The inputs, plus mirrored pictures if the product has no orientation."""
    config, inputs = data.config, data.inputs
    if not isinstance(config, ImageExpert) or config.turn == "none" or config.encoder == "rings":
        return [inputs]
    return [inputs, inputs.flip(2), inputs.flip(3), inputs.flip(2, 3)]


@torch.no_grad()
def _described(encoder: KernelEncoder, inputs: Tensor, data: TrainingData) -> Profile:
    parts = [encoder.describer(cut(batch, data.form)) for batch in torch.split(inputs, batch_rows(inputs, BATCH))]
    return Profile(*(torch.cat(part) for part in zip(*parts, strict=True)))


def _some(profile: Profile, rows: Tensor) -> Profile:
    return Profile(profile.vector[rows], profile.picture[rows])
