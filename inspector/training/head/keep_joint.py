"""Decides whether a joint fit is kept, by its gain on held-out pieces over independent groups.

Encoders and head change together, so that the fit is kept whole or not at all: half of two networks is neither.
Letters: A epochs, P held-out pieces.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from fusion.calibration import Labels, Scores
from inspector.statistics.classification import cross_entropy
from inspector.statistics.evidence import Choice, Rule, weigh
from inspector.training.head.cross_fit import fused_units
from inspector.training.head.recalibrate import recalibrated

JOINT, STAGED = "fitted together with the experts", "noisy-or of calibrated experts"


class HeldOut:
    """Held-out pieces, and the losses on them before and after each epoch."""

    def __init__(self, labels: Labels, groups: Sequence[Mapping[str, str]], staged: Scores) -> None:
        """`staged` (P,): log-odds before any joint fit; NaN where a piece has no label."""
        self._labels, self._units = labels, fused_units(groups)
        self._staged, self._epochs = self._losses(staged), list[Scores]()

    def _losses(self, logits: Scores) -> Scores:
        return cross_entropy(recalibrated(logits, self._labels)[None], self._labels)

    def add(self, logits: Scores) -> bool:
        """Takes the log-odds after the next epoch, and returns whether it is the best so far."""
        self._epochs.append(self._losses(logits))
        return self.best == len(self._epochs)

    @property
    def best(self) -> int:
        """The epoch with the least loss, counted from 1; diverged ones are the last choice."""
        means = [float(np.nan_to_num(losses, nan=np.inf).mean()) for losses in self._epochs]
        return 1 + min(range(len(means)), key=lambda index: means[index])

    @property
    def staged_loss(self) -> float:
        return float(np.nanmean(self._staged))

    @property
    def best_loss(self) -> float:
        return float(np.nanmean(self._epochs[self.best - 1]))

    def decide(self, rule: Rule) -> tuple[bool, Choice]:
        """The best of all epochs, with a bound that holds for all of them."""
        gains_AP = np.stack([self._staged - losses for losses in self._epochs])
        names = [f"epoch {epoch}" for epoch in range(1, len(gains_AP) + 1)]
        evidence = weigh(gains_AP, self._units, self._labels, names, seed=0)
        index = self.best - 1
        kept = evidence.takes(index, rule)
        chosen, other = (JOINT, STAGED) if kept else (STAGED, JOINT)
        reason = "" if kept else "the gain may be chance" if evidence.enough else "too few independent held-out pieces"
        return kept, Choice("Joint fit", chosen, other, evidence.gains[index], evidence.groups(), reason)
