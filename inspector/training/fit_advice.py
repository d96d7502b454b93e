"""Warns about experts that may be no better than chance, or that were fitted for too few passes."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from fusion.scored import Scored
from inspector.statistics.bootstrap import NUM_DRAWS, Interval, unit_weights
from inspector.statistics.classification import certainty
from inspector.training.advice import Advice
from inspector.training.experts.kernel_machine import NEVER
from inspector.training.experts.network import EARLY_STOPPING, FULL_SCHEDULE, NetworkFitter, schedule
from inspector.training.experts.selection import CrossValidationResult, SelectedExpert

CHANCE = 0.5
FEWEST_EPOCHS = 12
"""Passes that every network needs: with 4 and 6 passes AUC was .417 and .500 on a set that 25 passes separate fully."""
REMEDY = "give --weights (cameras), modality_labels or more pieces, or leave it out"


def interval(result: CrossValidationResult) -> Interval:
    """Interval of the AUC on held-out recordings, by bootstrap over their groups; NaN if undefined."""
    scored = has_score(result) & ~result.data.targets[:, 0].isnan().numpy()
    labels = result.data.targets[:, 0].numpy()[scored] >= 0.5
    if labels.all() or not labels.any():
        return Interval(math.nan, math.nan, math.nan)
    scores = result.logits[:, 0].numpy()[scored].astype(np.float64)
    groups = [frozenset((group,)) for group, is_scored in zip(result.data.groups, scored, strict=True) if is_scored]
    return certainty(scores, labels, unit_weights(groups, NUM_DRAWS, seed=0)).auc


def has_score(result: CrossValidationResult) -> NDArray[np.bool_]:
    """(R,) true for recordings with a score; fits with too few defects give a constant, which is none."""
    logits = result.logits[:, 0]
    return np.asarray(~(logits.isnan() | (logits == NEVER)).numpy())


def drop_misleading(results: Sequence[CrossValidationResult]) -> list[CrossValidationResult]:
    """Drops experts that are certainly worse than chance, if their modality keeps another one."""
    misleading = {result.name for result in results if interval(result).high < CHANCE}
    sound = {result.modality for result in results if result.name not in misleading}
    return [result for result in results if result.name not in misleading or result.modality not in sound]


def chance_advice(results: Sequence[CrossValidationResult], kept: Sequence[CrossValidationResult]) -> Iterator[Advice]:
    """`results`: of all expected experts; `kept`: of those that ship."""
    shipped = {result.name for result in kept}
    for result in results:
        auc = interval(result)
        num = int(has_score(result).sum())
        if math.isnan(auc.mean):
            yield Advice(
                "chance",
                f"the quality of expert {result.name} is unknown: the {num} held-out recordings that it scored are all "
                "labelled alike; give more groups with good and with defective recordings",
            )
        elif auc.low <= CHANCE:
            yield Advice("chance", f"expert {result.name} {_doubt(auc)} ({_figures(auc)}, from {num} recordings)"
                         f"{'' if result.name in shipped else ' and was left out'}: {REMEDY}")  # fmt: skip


def fused_advice(scored: Scored) -> Iterator[Advice]:
    """Warns if all experts together are no better than chance on the calibration pieces."""
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
            f"the bundle as a whole {_doubt(auc)} ({_figures(auc)}, from {len(labels)} pieces): do not deploy it; "
            "see the warnings about its experts",
        )


def _doubt(auc: Interval) -> str:
    if auc.high < CHANCE:
        return "is worse than chance"
    return "is no better than chance" if auc.mean <= CHANCE + 0.05 else "may be no better than chance"


def _figures(auc: Interval) -> str:
    mean, low, high = (f"{value:.2f}".lstrip("0") for value in auc)
    return f"AUC {mean}, 95 % {low} to {high}"


def unused_epochs(epochs: int | None, results: Sequence[CrossValidationResult]) -> Iterator[Advice]:
    """Warns where `--epochs` is given and nothing is fitted in passes."""
    if epochs is not None and not any(isinstance(result.fitter, NetworkFitter) for result in results):
        yield Advice(
            "epochs",
            f"--epochs {epochs} has no effect: no expert is a network that is fitted in passes, but kernel machines "
            f"and readouts of frozen networks ({', '.join(result.name for result in results)}): leave it out",
        )


def epochs_advice(selected: Sequence[SelectedExpert]) -> Iterator[Advice]:
    """Warns about fits with far fewer passes than the default of their kind."""
    for entry in selected:
        fitted, usual = entry.fitted, schedule(entry.expert.config, None).epochs
        if fitted.how not in (EARLY_STOPPING, FULL_SCHEDULE):
            continue
        falling = fitted.how == FULL_SCHEDULE or fitted.best_epoch == fitted.epochs
        if fitted.epochs < FEWEST_EPOCHS or (2 * fitted.epochs < usual and falling):
            state = (
                "its loss was still falling"
                if fitted.how == EARLY_STOPPING and falling
                else "nothing shows that it was finished"
            )
            yield Advice(
                "epochs",
                f"expert {entry.expert.name} was fitted for {fitted.epochs} passes, {max(usual, FEWEST_EPOCHS)} are "
                f"usual, and {state}: omit --epochs, or give more",
            )
