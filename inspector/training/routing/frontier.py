"""Turns scored pieces into points of computing against quality: of every static set of experts, and of policies.

Knows no network, and no policy's inside. Letters: P pieces, S sets of experts, E experts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np

from fusion.calibration import Labels, Scores, probability
from fusion.policy import Calibration
from fusion.scored import ExpertSet, Scored

FALSE_REJECT_RATE = 0.05
"""At which recall is read off; below it a split of 150 good pieces would leave a handful to set the limit."""
RATES = (0.02, 0.05, 0.1)
"""Sets and policies are compared by the mean recall at these: at one rate alone a few good pieces decide."""
MARGIN = 0.005
"""Of two that differ by less recall than this, the cheaper is preferred."""


@dataclass(frozen=True, eq=False)
class Board:
    """What every set of experts would have said of each piece, and what it would have cost."""

    scored: Scored
    probabilities: Scores
    """(S, P) calibrated; NaN where a set could not run or has no calibration."""
    costs_ms: Scores
    """(E,) mean CPU of each expert on the pieces that it could look at."""

    @classmethod
    def of(cls, scored: Scored, calibrations: Mapping[ExpertSet, Calibration]) -> "Board":
        rows = []
        for names, logits in zip(scored.sets, scored.logits, strict=True):
            calibration = calibrations.get(names)
            unknown = np.full(len(logits), np.nan)
            rows.append(
                unknown if calibration is None else probability(logits, calibration.temperature, calibration.bias)
            )
        able = ~np.isnan(scored.expert_logits)
        costs = (scored.cpu_s * able).sum(1) / able.sum(1).clip(1)
        return cls(scored, np.stack(rows), costs * 1e3)

    def scores(self, ran: Sequence[ExpertSet]) -> Scores:
        """(P,) calibrated probability of a defect had these experts run on each piece; NaN where none could."""
        rows = {names: row for row, names in enumerate(self.scored.sets)}
        scores = [self.probabilities[rows[names], piece] if names else np.nan for piece, names in enumerate(ran)]
        return np.array(scores, np.float64)

    def cost_ms(self, ran: Sequence[ExpertSet]) -> Scores:
        """(P,) CPU of the encoders."""
        costs = dict(zip(self.scored.experts, self.costs_ms.tolist(), strict=True))
        return np.array([sum(costs[name] for name in names) for names in ran])

    def able(self, experts: ExpertSet) -> list[ExpertSet]:
        """Per piece, what of a set has something to look at."""
        here = (~np.isnan(self.scored.expert_logits)).T.tolist()
        return [frozenset(compress(self.scored.experts, row)) & experts for row in here]


def limit(scores: Scores, labels: Labels, rate: float) -> float:
    """The lowest limit above which lies no more than this share of the good pieces that have a score."""
    good = np.sort(scores[~labels & ~np.isnan(scores)])[::-1]
    return float(good[min(int(rate * len(good)), len(good) - 1)])


def recall(scores: Scores, labels: Labels, above: float) -> float:
    """Share of the defective pieces above a limit; one without a score is missed."""
    return float(np.mean(np.nan_to_num(scores[labels], nan=-1.0) > above))


def quality(scores: Scores, labels: Labels) -> float:
    """Mean recall at RATES."""
    return float(np.mean([recall(scores, labels, limit(scores, labels, rate)) for rate in RATES]))


@dataclass(frozen=True)
class Point:
    """One static set or one policy."""

    name: str
    cost_ms: float
    """Of the encoders, mean per piece."""
    quality: float
    """Mean recall at RATES on the pieces that limits and routes are chosen on, out of fold for what was fitted."""
    limit: float
    """Score that these pieces put at FALSE_REJECT_RATE."""


def point(name: str, board: Board, ran: Sequence[ExpertSet]) -> Point:
    scores, labels = board.scores(ran), board.scored.labels
    cost_ms = float(board.cost_ms(ran).mean())
    return Point(name, cost_ms, quality(scores, labels), limit(scores, labels, FALSE_REJECT_RATE))


def static_points(board: Board) -> dict[ExpertSet, Point]:
    """Every set that is calibrated, the cheapest first."""
    calibrated = [not np.isnan(row).all() for row in board.probabilities]
    points = {
        names: point(name_of(names), board, board.able(names)) for names in compress(board.scored.sets, calibrated)
    }
    return dict(sorted(points.items(), key=lambda item: (item[1].cost_ms, item[1].name)))


def floor_of(points: Mapping[ExpertSet, Point]) -> float:
    """What counts as good as the best."""
    return max(point.quality for point in points.values()) - MARGIN


def cheapest_good(points: Mapping[ExpertSet, Point]) -> ExpertSet:
    """The cheapest set as good as the best: what a router must beat."""
    return cheapest_of(points, floor_of(points))


def cheapest_of(points: Mapping[ExpertSet, Point], floor: float) -> ExpertSet:
    """The cheapest set of at least this quality; the best where none has it."""
    good = {names: point for names, point in points.items() if point.quality >= floor}
    if not good:
        return max(points, key=lambda names: points[names].quality)
    return min(good, key=lambda names: good[names].cost_ms)


def name_of(names: ExpertSet) -> str:
    return " + ".join(sorted(names))
