"""Holds what a model says of labelled pieces for each set of experts that could have run. Knows no model.

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
    """The ground on which thresholds, routes and certificates are chosen, and on which they are tested."""

    piece_ids: tuple[str, ...]
    labels: Labels
    """(P,) true is defective."""
    units: tuple[frozenset[str], ...]
    """Per piece, the groups that its evidence rests on: of the recordings that carry the defect where that is known,
    else all of the piece. Pieces that share one are not independent."""
    experts: tuple[str, ...]
    expert_logits: Scores
    """(E, P) defect log-odds of each expert alone; NaN where it had nothing to look at."""
    sets: tuple[ExpertSet, ...]
    logits: Scores
    """(S, P) defect log-odds of the head had these experts run, before calibration; NaN where one could not."""
    cpu_s: Scores
    """(E, P) CPU-seconds of each expert on one thread, without preparation; 0 where it had nothing to look at."""
    unseen: Labels
    """(P,) true for pieces of which no encoder saw any recording (calibration, test); false for out-of-fold scores of
    training pieces."""

    def of(self, experts: Collection[str]) -> Scores:
        """(P,) log-odds of the head for one set."""
        found: Scores = self.logits[self.sets.index(frozenset(experts))]
        return found

    def take(self, index: NDArray[np.intp] | Labels) -> "Scored":
        """Some of the pieces, by numbers or by a mask."""
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
