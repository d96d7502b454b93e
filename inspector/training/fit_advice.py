"""Says what fitting an expert left open: whether it beats chance, and whether it had passes enough."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from fusion.scored import Scored
from inspector.statistics.bootstrap import NUM_DRAWS, Interval, unit_weights
from inspector.statistics.classification import certainty
from inspector.training.advice import Advice
from inspector.training.experts.kernel_machine import NEVER
from inspector.training.experts.network import HOW, TO_THE_END, schedule
from inspector.training.experts.selection import CrossValidationResult, SelectedExpert

CHANCE = 0.5
FEWEST_EPOCHS = 12
"""Passes that any network needs here: with 4 and 6 a set was judged at AUC .417 and .500 that 25 read without error."""
REMEDY = "give --weights (cameras), modality_labels, more pieces, or leave it out"


def interval(result: CrossValidationResult) -> Interval:
    """Of the area under the curve on held-out recordings, by bootstrap over their groups; NaN where it has none."""
    scored = judged(result) & ~result.data.targets[:, 0].isnan().numpy()
    labels = result.data.targets[:, 0].numpy()[scored] >= 0.5
    if labels.all() or not labels.any():
        return Interval(math.nan, math.nan, math.nan)
    scores = result.logits[:, 0].numpy()[scored].astype(np.float64)
    groups = [frozenset((group,)) for group, has_score in zip(result.data.groups, scored, strict=True) if has_score]
    return certainty(scores, labels, unit_weights(groups, NUM_DRAWS, seed=0)).auc


def judged(result: CrossValidationResult) -> NDArray[np.bool_]:
    """(R,) recordings with a score: fits that were shown too few defects gave all of theirs one constant."""
    logits = result.logits[:, 0]
    return np.asarray(~(logits.isnan() | (logits == NEVER)).numpy())


def drop_misleading(results: Sequence[CrossValidationResult]) -> list[CrossValidationResult]:
    """Leaves out experts that are worse than chance beyond doubt, as long as their modality keeps another one."""
    misleading = {result.name for result in results if interval(result).high < CHANCE}
    sound = {result.modality for result in results if result.name not in misleading}
    return [result for result in results if result.name not in misleading or result.modality not in sound]


def chance_advice(results: Sequence[CrossValidationResult], kept: Sequence[CrossValidationResult]) -> Iterator[Advice]:
    """`standings`: of the experts that were wanted; `kept`: of those that ship."""
    shipped = {own.name for own in kept}
    for result in results:
        auc = interval(result)
        num = int(judged(result).sum())
        if math.isnan(auc.mean):
            yield Advice(
                "chance",
                f"nobody knows how good expert {result.name} is: the {num} held-out recordings that "
                "it could be asked about are labelled alike; give more groups with good and with defective recordings",
            )
        elif auc.low <= CHANCE:
            yield Advice("chance", f"expert {result.name} {_doubt(auc)} ({_figures(auc)}, from {num} recordings)"
                         f"{'' if result.name in shipped else ' and was left out'}: {REMEDY}")  # fmt: skip


def fused_advice(scored: Scored) -> Iterator[Advice]:
    """All experts together, on the calibration pieces; limits on scores that tell nothing apart reject every piece."""
    logits = scored.of(frozenset(scored.experts))
    known = ~np.isnan(logits)
    labels = scored.labels[known]
    if not known.any() or labels.all() or not labels.any():
        return
    units = [unit for unit, is_known in zip(scored.units, known, strict=True) if is_known]
    auc = certainty(logits[known], labels, unit_weights(units, NUM_DRAWS, seed=0)).auc
    if auc.low <= CHANCE:
        yield Advice(
            "chance",
            f"the bundle as a whole {_doubt(auc)} ({_figures(auc)}, from {len(labels)} pieces): do not let it judge; "
            "see the warnings of its experts",
        )


def _doubt(auc: Interval) -> str:
    if auc.high < CHANCE:
        return "is worse than chance"
    return "is no better than chance" if auc.mean <= CHANCE + 0.05 else "may be no better than chance"


def _figures(auc: Interval) -> str:
    mean, low, high = (f"{value:.2f}".lstrip("0") for value in auc)
    return f"AUC {mean}, 95 % {low} to {high}"


def epochs_advice(selected: Sequence[SelectedExpert]) -> Iterator[Advice]:
    """A fit that was cut short, measured by the passes that its kind takes when nobody says how many."""
    for entry in selected:
        fitted, usual = entry.fitted, schedule(entry.expert.config, None).epochs
        if fitted.how not in (HOW, TO_THE_END):
            continue
        falling = fitted.how == TO_THE_END or fitted.best_epoch == fitted.epochs
        if fitted.epochs < FEWEST_EPOCHS or (2 * fitted.epochs < usual and falling):
            state = "its loss was still falling" if fitted.how == HOW and falling else "nothing shows that it was done"
            yield Advice(
                "epochs",
                f"expert {entry.expert.name} was fitted for {fitted.epochs} passes, {max(usual, FEWEST_EPOCHS)} are "
                f"usual, and {state}: leave --epochs away, or give more",
            )
