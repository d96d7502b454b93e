"""Histogram of scores: good pieces upwards, defective ones downwards, with the limits across. Geometry alone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fusion.calibration import Labels, Scores
from inspector.recipe.decision import Limits
from inspector.report.scale import TICKS, score_place, short

WIDTH, HALF, LEFT, TOP = 640, 120, 44, 34
"""Of the plot in pixels: width, height of either half, and where it begins."""
AXIS = 26
"""Height of the strip between the halves, with the numbers of the scores."""
LABEL = 130
"""Room for the words behind a limit."""
NUM_BINS = 40


@dataclass(frozen=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    words: str


@dataclass(frozen=True)
class Mark:
    x: float
    label: str


@dataclass(frozen=True)
class LimitMark:
    x: float
    label: str
    anchor: str
    """How the label lies to its line: `start`, `end`."""


@dataclass(frozen=True)
class Histogram:
    width: int
    height: int
    good: Sequence[Bar]
    defective: Sequence[Bar]
    ticks: Sequence[Mark]
    limits: Sequence[LimitMark]
    most_good: int
    """Pieces of the highest bar."""
    most_defective: int
    without_score: int
    summary: str
    """The same in words, for people who do not see it."""


def histogram(scores: Scores, labels: Labels, limits: Limits) -> Histogram:
    """`scores` (P,): NaN are counted apart."""
    known = ~np.isnan(scores)
    counts = [_counts(scores[known & side]) for side in (~labels, labels)]
    most_good, most_defective = (int(max(count.max(), 1)) for count in counts)
    middle = TOP + HALF
    good = [
        _bar(bin_, count, middle - HALF * count / most_good, HALF * count / most_good, "good")
        for bin_, count in enumerate(counts[0].tolist())
        if count
    ]
    defective = [
        _bar(bin_, count, middle + AXIS, HALF * count / most_defective, "defective")
        for bin_, count in enumerate(counts[1].tolist())
        if count
    ]
    return Histogram(
        width=max(LEFT + WIDTH + 16, math.ceil(_x(limits.fail_above)) + LABEL),
        height=TOP + 2 * HALF + AXIS + 12,
        good=good,
        defective=defective,
        ticks=[Mark(_x(tick), short(tick)) for tick in TICKS],
        limits=[
            LimitMark(_x(limits.pass_below), f"PASS below {short(limits.pass_below)}", "end"),
            LimitMark(_x(limits.fail_above), f"FAIL above {short(limits.fail_above)}", "start"),
        ],
        most_good=most_good,
        most_defective=most_defective,
        without_score=int((~known).sum()),
        summary=_summary(scores, labels, limits),
    )


def _counts(scores: Scores) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    places = np.array([score_place(score) for score in scores.tolist()])
    bins = np.minimum((places * NUM_BINS).astype(np.int64), NUM_BINS - 1)
    return np.bincount(bins, minlength=NUM_BINS).astype(np.int64)


def _x(score: float) -> float:
    return round(LEFT + WIDTH * score_place(score), 1)


def _bar(bin_: int, count: int, y: float, height: float, kind: str) -> Bar:
    step = WIDTH / NUM_BINS
    return Bar(round(LEFT + bin_ * step + 1, 1), round(y, 1), step - 2, round(height, 1), f"{count} {kind}")


def _summary(scores: Scores, labels: Labels, limits: Limits) -> str:
    def shares(side: Labels) -> str:
        low, high = (int(np.sum(of)) for of in (scores[side] < limits.pass_below, scores[side] > limits.fail_above))
        between = int(np.sum(~np.isnan(scores[side]))) - low - high
        return f"{low} below the PASS limit, {between} between the limits, {high} above the FAIL limit"

    return f"Good pieces: {shares(~labels)}. Defective pieces: {shares(labels)}."
