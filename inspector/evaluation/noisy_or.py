"""Turns log-odds of single experts into noisy-or's: the plain rule that fusion is measured against.

Letters: P pieces.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from fusion.calibration import Scores, fit, probability
from inspector.bundle.schema import Modality
from inspector.dataset.labels import own_label
from inspector.dataset.manifest import PieceRow


def truth(rows: Sequence[PieceRow], modality: Modality) -> Scores:
    """(P,) 1 defective, 0 good, NaN unknown, by the label of the modality or else of the piece."""
    labels = [own_label(row, modality) or row.label for row in rows]
    return np.array([np.nan if label == "unknown" else float(label == "nok") for label in labels])


def calibrated(logits: Scores, at_reference: Scores, true_there: Scores) -> Scores:
    """(P,) an expert's log-odds, calibrated on the reference pieces that it could look at and whose truth is known; as
    they are where no defective one, or no good one, could be looked at: all may be implausible."""
    known = ~np.isnan(at_reference) & ~np.isnan(true_there)
    if len(np.unique(true_there[known] > 0.5)) < 2:
        return logits
    calibration = fit(at_reference[known], true_there[known] > 0.5)
    return logits / calibration.temperature + calibration.bias


def noisy_or(modalities: Iterable[Sequence[Scores]]) -> Scores:
    """(P,) log-odds of 1 - product of (1 - p), p from the mean of the calibrated log-odds of a modality's experts.

    NaN marks a modality with nothing to examine; it changes nothing.
    """
    seen = [np.nan_to_num(probability(np.mean(logits, axis=0), 1.0, 0.0), nan=0.0) for logits in modalities]
    good = np.prod([1 - p for p in seen], axis=0).clip(1e-9, 1 - 1e-9)
    return np.asarray(np.log1p(-good) - np.log(good), np.float64)
