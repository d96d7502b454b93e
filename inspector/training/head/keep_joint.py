"""Decides whether a joint fit is kept, by its gain on held-out pieces over independent groups.

Encoders and head change together, so that the fit is kept whole or not at all: half of two networks is neither.
Letters: A fits, P held-out pieces.
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
    """Held-out pieces, and the losses on them before any joint fit and after each."""

    def __init__(self, labels: Labels, groups: Sequence[Mapping[str, str]], staged: Scores) -> None:
        """`staged` (P,): log-odds before any joint fit; NaN where a piece has no label."""
        self._labels, self._units = labels, fused_units(groups)
        self._staged, self._fits, self._names = self._losses(staged), list[Scores](), list[str]()

    def _losses(self, logits: Scores) -> Scores:
        return cross_entropy(recalibrated(logits, self._labels)[None], self._labels)

    def add(self, logits: Scores, name: str) -> bool:
        """Takes the log-odds (P,) after the next fit, and returns whether it is the best so far."""
        self._fits.append(self._losses(logits))
        self._names.append(name)
        return self.best == len(self._fits) - 1

    @property
    def best(self) -> int:
        """Index of the fit with the least loss; diverged ones are the last choice."""
        means = [float(np.nan_to_num(losses, nan=np.inf).mean()) for losses in self._fits]
        return min(range(len(means)), key=lambda index: means[index])

    @property
    def staged_loss(self) -> float:
        return float(np.nanmean(self._staged))

    @property
    def best_loss(self) -> float:
        return float(np.nanmean(self._fits[self.best]))

    def decide(self, rule: Rule) -> tuple[bool, Choice]:
        """The best of all fits, with a bound that holds for all of them."""
        gains_AP = np.stack([self._staged - losses for losses in self._fits])
        evidence = weigh(gains_AP, self._units, self._labels, self._names, seed=0)
        index = self.best
        kept = evidence.takes(index, rule)
        chosen, other = (JOINT, STAGED) if kept else (STAGED, JOINT)
        reason = "" if kept else "the gain may be chance" if evidence.enough else "too few independent held-out pieces"
        return kept, Choice("Joint fit", chosen, other, evidence.gains[index], evidence.groups(), reason)
