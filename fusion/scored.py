"""Holds the scores of labelled pieces for each set of experts that could have run.

Letters: P pieces, S sets of experts, E experts.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fusion.calibration import Labels, Scores

ExpertSet = frozenset[str]


@dataclass(frozen=True, eq=False)
class Scored:
    """The scores that thresholds, routes and certificates are chosen from and tested on."""

    piece_ids: tuple[str, ...]
    labels: Labels
    """(P,) true is defective."""
    units: tuple[frozenset[str], ...]
    """Per piece, the groups of the recordings that show the defect, where known, else of all its recordings. Pieces
    that share a group are not independent."""
    experts: tuple[str, ...]
    expert_logits: Scores
    """(E, P) defect log-odds of each expert alone; NaN where it had no recording."""
    sets: tuple[ExpertSet, ...]
    logits: Scores
    """(S, P) defect log-odds of the head for each set of experts, before calibration; NaN where one could not run."""
    cpu_s: Scores
    """(E, P) CPU-seconds of each expert on one thread, without preparation; 0 where it had no recording."""
    unseen: Labels
    """(P,) true for pieces that no encoder was trained on (calibration, test); false for out-of-fold scores of training
    pieces."""

    def of(self, experts: Collection[str]) -> Scores:
        """(P,) log-odds of the head for one set."""
        logits: Scores = self.logits[self.sets.index(frozenset(experts))]
        return logits

    def take(self, index: NDArray[np.intp] | Labels) -> "Scored":
        """A subset of the pieces, by indices or a mask."""
        chosen = np.arange(len(self.labels))[index]
        return replace(
            self,
            piece_ids=tuple(self.piece_ids[i] for i in chosen),
            labels=self.labels[chosen],
            units=tuple(self.units[i] for i in chosen),
            expert_logits=self.expert_logits[:, chosen],
            logits=self.logits[:, chosen],
            cpu_s=self.cpu_s[:, chosen],
            unseen=self.unseen[chosen],
        )
