"""Checks, on pieces that share no recording with those of the fit, that all sets of experts are on one scale.

A router mixes scores of several sets in one ranking: on one scale, a random mix ranks as the sets do on average.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from fusion.calibration import Scores
from fusion.scored import ExpertSet, Scored
from inspector.dataset.splits import unit_folds
from inspector.statistics.classification import area_under_curve, cross_entropy
from inspector.statistics.evidence import Choice, weigh
from inspector.training.calibration.scales import SURE, Prior, Scale, fit_scale, scale_of, shared_scale

NUM_FOLDS = 5
ANYTHING = Prior(1.0, 0.0, 5.0, 5.0)
"""Nearly no belief: the slope that the held-out pieces ask for."""
TOO_FEW = 20
"""Fewer held-out pieces of a label show nothing."""


@dataclass(frozen=True)
class PooledCheck:
    """Of cross-fitted scores; areas under the curve."""

    mixed: float
    """Each piece scored by a random set of those that cover all modalities."""
    alone: float
    """Mean of these sets, each for all pieces."""
    everyone: float
    """All experts."""
    slopes: tuple[float, ...]
    """Of each set, ascending: 1 is calibrated, below 1 too sure."""


def held_out(scored: Scored, whole: Collection[ExpertSet], seed: int) -> Scores:
    """(S, P) calibrated log-odds by scales of pieces that share no unit; NaN where there is none to fit on."""
    result = np.full_like(scored.logits, np.nan)
    defective = float(scored.labels.mean())  # of a fold's pieces more are defective: these rest on fewer units
    for learn, judge in unit_folds(scored.units, NUM_FOLDS, seed):
        part = scored.take(learn)
        if not part.labels.any() or part.labels.all():
            continue
        shared = shared_scale(part, defective)
        for row, names in enumerate(scored.sets):
            scale = scale_of(part, names, names in whole, shared, defective)
            result[row, judge] = scale.of(scored.logits[row, judge])
    return result


def check(scored: Scored, whole: Collection[ExpertSet], seed: int) -> PooledCheck | None:
    """None where too few pieces can be held out."""
    return _check(scored, whole, held_out(scored, whole, seed), seed)


def _check(scored: Scored, whole: Collection[ExpertSet], log_odds_SP: Scores, seed: int) -> PooledCheck | None:
    rows = [row for row, names in enumerate(scored.sets) if names in whole]
    able = ~np.isnan(log_odds_SP).any(0)
    labels = scored.labels[able]
    if min(labels.sum(), (~labels).sum()) < TOO_FEW:
        return None
    sets_SP = log_odds_SP[rows][:, able]
    mix_P = np.random.default_rng(seed).integers(len(rows), size=len(labels))
    ones = np.ones(len(labels))
    slopes = [fit_scale(scores, labels.astype(np.float64), ones, ANYTHING).slope for scores in sets_SP]
    return PooledCheck(
        mixed=area_under_curve(sets_SP[mix_P, np.arange(len(labels))], labels),
        alone=float(np.mean([area_under_curve(scores, labels) for scores in sets_SP])),
        everyone=area_under_curve(log_odds_SP[scored.sets.index(frozenset(scored.experts)), able], labels),
        slopes=tuple(sorted(slopes)),
    )


def pooled_lines(scored: Scored, whole: Collection[ExpertSet], seed: int) -> Iterator[str]:
    log_odds_SP = held_out(scored, whole, seed)
    yield _scale_choice(scored, log_odds_SP, seed).line()
    result = _check(scored, whole, log_odds_SP, seed)
    if result is not None and len(result.slopes) == 1:
        yield f"Slope of calibration, cross-fitted: {result.slopes[0]:.2f} (1 is calibrated)."
    elif result is not None:
        yield (
            f"Scores of {len(result.slopes)} sets of experts that cover all modalities, cross-fitted: a random mix of "
            f"them ranks with an area under the curve of {result.mixed:.3f}, they alone with {result.alone:.3f} in the "
            f"mean, all experts with {result.everyone:.3f}; slopes of calibration {result.slopes[0]:.2f} to "
            f"{result.slopes[-1]:.2f} (1 is calibrated)."
        )


def _scale_choice(scored: Scored, log_odds_SP: Scores, seed: int) -> Choice:
    """The fitted scale of all experts against their log-odds as they are."""
    row, labels = scored.sets.index(frozenset(scored.experts)), scored.labels
    fitted_P, raw_P = log_odds_SP[row], scored.logits[row].clip(-SURE, SURE)
    gains_P = cross_entropy(raw_P[None], labels) - cross_entropy(fitted_P[None], labels)
    known = not np.isnan(gains_P).all()
    evidence = weigh(gains_P[None], scored.units, labels, ["the fitted scale"], seed) if known else None
    return Choice(
        subject="Scale of the scores",
        chosen=_words(shared_scale(scored)),
        alternative="the log-odds as they are",
        gain=None if evidence is None else evidence.gains[0],
        groups="too few groups" if evidence is None else evidence.groups(),
        reason="drawn toward (1, 0) in proportion to the evidence",
    )


def _words(scale: Scale) -> str:
    """Temperature and bias with intervals of 95 %."""
    low, high = (1 / (scale.slope + sign * 1.96 * scale.slope_error) for sign in (1, -1))
    reach = 1.96 * scale.bias_error
    temperature = f"temperature {scale.temperature:.2f} [{low:.2f}, {high if high > 0 else np.inf:.2f}]"
    return f"{temperature} and bias {scale.bias:+.2f} [{scale.bias - reach:+.2f}, {scale.bias + reach:+.2f}]"
