"""ROC curves with their working points. Geometry alone; the curve and its area are those of `inspector.statistics`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fusion.calibration import Labels, Scores
from inspector.report.content import ScoreCurve
from inspector.statistics.bootstrap import Interval
from inspector.statistics.classification import roc_curve

SIDE, LEFT, TOP = 340, 46, 12
"""Of the plot in pixels: its side, and where it begins."""
MAX_POINTS = 240
"""Of one curve."""
MAX_CURVES = 8
DASHES = ("", "7 3", "2 3", "9 3 2 3", "1 4", "12 4", "5 2 1 2", "3 6")
"""Curves differ by their dashes, not by colour alone."""
GRID = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class WorkingPoint:
    """What one limit does to the pieces with a score."""

    limit: str
    good: float
    """Share of the good pieces on the far side of it."""
    defective: float
    x: float
    y: float


@dataclass(frozen=True)
class RocLine:
    name: str
    area: Interval
    pieces: int
    path: str
    """Of an SVG."""
    dashes: str
    points: Sequence[WorkingPoint]


@dataclass(frozen=True)
class Roc:
    size: int
    lines: Sequence[RocLine]
    grid: Sequence[tuple[float, float, str]]
    """x, y and label of each line of the grid."""


def roc(curves: Sequence[ScoreCurve], labels: Labels) -> Roc:
    lines = [_line(curve, labels, dashes) for curve, dashes in zip(curves, DASHES, strict=False)]
    return Roc(LEFT + SIDE + TOP + 34, lines, [(_x(share), _y(share), f"{share:.0%}") for share in GRID])


def _line(curve: ScoreCurve, labels: Labels, dashes: str) -> RocLine:
    known = ~np.isnan(curve.scores)
    scores, sides = curve.scores[known], labels[known]
    points = roc_curve(scores, sides)
    kept = thinned(points.good, points.defective)
    places = " ".join(f"{_x(points.good[i])},{_y(points.defective[i])}" for i in kept)
    return RocLine(curve.name, curve.area, len(scores), f"M{places}", dashes, _points(curve, scores, sides))


def _points(curve: ScoreCurve, scores: Scores, labels: Labels) -> list[WorkingPoint]:
    if curve.limits is None:
        return []
    kept_back, failed = scores >= curve.limits.pass_below, scores > curve.limits.fail_above
    return [_point("FAIL", failed, labels), _point("REVIEW or FAIL", kept_back, labels)]


def _point(limit: str, beyond: Labels, labels: Labels) -> WorkingPoint:
    good, defective = float(beyond[~labels].mean()), float(beyond[labels].mean())
    return WorkingPoint(limit, good, defective, _x(good), _y(defective))


def thinned(good: Scores, defective: Scores) -> list[int]:
    """Indices of the corners of a staircase, at most `MAX_POINTS`, with both ends."""
    steps_good, steps_bad = np.diff(good), np.diff(defective)
    turns = np.flatnonzero(steps_good[1:] * steps_bad[:-1] != steps_good[:-1] * steps_bad[1:]) + 1
    corners = [0, *turns.tolist(), len(good) - 1]
    if len(corners) <= MAX_POINTS:
        return corners
    return [corners[index] for index in np.linspace(0, len(corners) - 1, MAX_POINTS).astype(int).tolist()]


def _x(share: float) -> float:
    return round(LEFT + SIDE * share, 1)


def _y(share: float) -> float:
    return round(TOP + SIDE * (1 - share), 1)
