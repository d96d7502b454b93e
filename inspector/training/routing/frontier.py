"""Computes cost and quality of static expert sets and of routing policies from scored pieces.

Letters: P pieces, S sets of experts, E experts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np

from fusion.calibration import Labels, Scores, probability
from fusion.policy import Calibration
from fusion.scored import ExpertSet, Scored

FALSE_REJECT_RATE = 0.05
"""Rate at which recall is measured; at less, a handful of 150 good pieces would set the limit."""
RATES = (0.02, 0.05, 0.1)
"""Sets and policies are compared by their mean recall at these rates: at a single rate a few good pieces decide."""
MARGIN = 0.005
"""Differences in recall below this are ignored: the cheaper set is preferred."""


@dataclass(frozen=True, eq=False)
class Board:
    """Scores of every expert set for each piece, and costs of the experts."""

    scored: Scored
    probabilities: Scores
    """(S, P) calibrated; NaN where a set could not run or has no calibration."""
    costs_ms: Scores
    """(E,) mean CPU time of each expert over the pieces that it can score."""

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
        """(P,) calibrated probability of a defect if these experts run on each piece; NaN where none can."""
        rows = {names: row for row, names in enumerate(self.scored.sets)}
        scores = [self.probabilities[rows[names], piece] if names else np.nan for piece, names in enumerate(ran)]
        return np.array(scores, np.float64)

    def cost_ms(self, ran: Sequence[ExpertSet]) -> Scores:
        """(P,) CPU time of the encoders."""
        costs = dict(zip(self.scored.experts, self.costs_ms.tolist(), strict=True))
        return np.array([sum(costs[name] for name in names) for names in ran])

    def able(self, experts: ExpertSet) -> list[ExpertSet]:
        """Per piece, the experts of a set that have a recording."""
        here = (~np.isnan(self.scored.expert_logits)).T.tolist()
        return [frozenset(compress(self.scored.experts, row)) & experts for row in here]


def limit(scores: Scores, labels: Labels, rate: float) -> float:
    """The lowest limit with at most this share of the scored good pieces above it."""
    good = np.sort(scores[~labels & ~np.isnan(scores)])[::-1]
    return float(good[min(int(rate * len(good)), len(good) - 1)])


def recall(scores: Scores, labels: Labels, above: float) -> float:
    """Share of the defective pieces above a limit; a piece without a score counts as missed."""
    return float(np.mean(np.nan_to_num(scores[labels], nan=-1.0) > above))


def quality(scores: Scores, labels: Labels) -> float:
    """Mean recall at RATES."""
    return float(np.mean([recall(scores, labels, limit(scores, labels, rate)) for rate in RATES]))


@dataclass(frozen=True)
class Point:
    """One static set or one policy."""

    name: str
    cost_ms: float
    """Mean CPU time of the encoders per piece."""
    quality: float
    """Mean recall at RATES on the pieces that limits and routes are chosen from; out of fold for fitted policies."""
    limit: float
    """Score at FALSE_REJECT_RATE on these pieces."""


def point(name: str, board: Board, ran: Sequence[ExpertSet]) -> Point:
    scores, labels = board.scores(ran), board.scored.labels
    cost_ms = float(board.cost_ms(ran).mean())
    return Point(name, cost_ms, quality(scores, labels), limit(scores, labels, FALSE_REJECT_RATE))


def static_points(board: Board) -> dict[ExpertSet, Point]:
    """Points of all calibrated sets, the cheapest first."""
    calibrated = [not np.isnan(row).all() for row in board.probabilities]
    points = {
        names: point(name_of(names), board, board.able(names)) for names in compress(board.scored.sets, calibrated)
    }
    return dict(sorted(points.items(), key=lambda item: (item[1].cost_ms, item[1].name)))


def floor_of(points: Mapping[ExpertSet, Point]) -> float:
    """The quality that counts as equal to the best."""
    return max(point.quality for point in points.values()) - MARGIN


def cheapest_good(points: Mapping[ExpertSet, Point]) -> ExpertSet:
    """The cheapest set of a quality equal to the best: a router must beat it."""
    return cheapest_of(points, floor_of(points))


def cheapest_of(points: Mapping[ExpertSet, Point], floor: float) -> ExpertSet:
    """The cheapest set of at least this quality; the best where none has it."""
    good = {names: point for names, point in points.items() if point.quality >= floor}
    if not good:
        return max(points, key=lambda names: points[names].quality)
    return min(good, key=lambda names: good[names].cost_ms)


def name_of(names: ExpertSet) -> str:
    return " + ".join(sorted(names))
