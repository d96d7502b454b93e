"""Chooses how many steps of the head are taken, and how much of them, by what independent recordings show.

Letters: C numbers of steps, P pieces.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inspector.statistics.evidence import MIN_DEFECTS, Choice, Rule, Units, smallest_within_an_error, weigh
from inspector.statistics.ranking_evidence import weigh_ranking
from inspector.training.head.cross_fit import CrossFit
from inspector.training.head.head_data import HeadData

NOISY_OR = "noisy-or of calibrated experts"
SUBJECT = "Fusion head"


@dataclass(frozen=True)
class Steps:
    """What was chosen: `weight` of the way from noisy-or to `steps`."""

    steps: int
    weight: float
    choice: Choice


def too_few(head_data: HeadData) -> str:
    """Why there are too few independent defects to judge any step; empty if there are enough."""
    fewest = min((number for number in head_data.own_defects() if number), default=0)
    if fewest >= MIN_DEFECTS:
        return ""
    return f"a modality has {fewest} independent defects, and {MIN_DEFECTS} are needed to judge steps"


def no_steps(folds: CrossFit, units: Units, reason: str) -> Steps:
    groups = weigh(np.where(folds.known, 0.0, np.nan)[None], units, folds.labels, [""], seed=0).groups()
    return Steps(0, 1.0, Choice(SUBJECT, NOISY_OR, "fitted steps", None, groups, reason))


def choose_steps(folds: CrossFit, units: Units, checks: Sequence[int], rule: Rule) -> Steps:
    """The smallest of `checks` (ascending) within one standard error of the best, if nothing objects to it."""
    start_P = folds.losses(0)
    gains_CP = np.stack([start_P - folds.losses(steps) for steps in checks])
    names = [f"{steps} steps" for steps in checks]
    evidence = weigh(gains_CP, units, folds.labels, names, seed=0)
    index = smallest_within_an_error(evidence.gains)
    weight = evidence.weight(index, rule)
    reason = _objection(folds, units, checks[index], weight)
    parts = (evidence.gains[index], evidence.groups(), reason)
    if reason:
        return Steps(0, 1.0, Choice(SUBJECT, NOISY_OR, names[index], *parts))
    return Steps(checks[index], weight, Choice(SUBJECT, f"{weight:.2f} of the way to {names[index]}", NOISY_OR, *parts))


def _objection(folds: CrossFit, units: Units, steps: int, weight: float) -> str:
    """What speaks against this share of these steps; empty if nothing does."""
    if not weight:
        return "the gain may be chance"
    if float(np.nanmean(folds.losses(0) - folds.losses(steps, weight))) <= 0:
        return "shrunk to its evidence it gains nothing"
    before, after = (folds.scores(number, weight).mean(0) for number in (0, steps))
    (ranking,) = weigh_ranking(after[None], before, folds.labels, units, ["steps"], seed=0).gains
    return f"it ranks worse, AUC {ranking}" if ranking.mean < 0 else ""
