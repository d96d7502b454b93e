"""Chooses the experts of a modality that ship: a scout, and a thorough expert beside it where that pays.

Rivals are compared on the pieces that all have scored, paired by group. Two that ship are averaged, each on its own
scale, as the head does: where neither is surely better, the average is the safe answer.
Letters: P pieces, A alternatives.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fusion.calibration import Labels, Scores
from inspector.statistics.classification import area_under_curve
from inspector.statistics.evidence import Choice, Evidence, Gain, Rule
from inspector.statistics.ranking_evidence import weigh_ranking
from inspector.training.config import ExpertConfig, ImageExpert
from inspector.training.experts.scale import scaled
from inspector.training.experts.selection import CrossValidationResult

MIN_ADDED = 0.1
"""Share of the scout's missing AUC (1 - AUC) that a thorough expert must add: it costs time on the line."""


class Prior(NamedTuple):
    """What a thorough expert is expected to add to the scout, in AUC, before any recording is seen."""

    gain: float
    spread: float
    """Standard deviation."""


FROZEN = Prior(0.02, 0.05)
"""A frozen pretrained network: few recordings can hardly mislead it, since its features are those of a million other
pictures. On cells it added .05."""
OF_ALL_FOLDS = Prior(0.015, 0.03)
"""A network that other folds judged throughout, averaged with a scout of another kind: on wafer maps (14 lines with 25
and 50 % of the groups) it added .016 by out-of-fold scores and .015 on calibration pieces, and took away on two of 14.
A network that is judged on one fold, which also stopped its fit, has no prior."""


class Kept(NamedTuple):
    """What ships of one modality, and why."""

    results: list[CrossValidationResult]
    choices: tuple[Choice, ...] = ()


def keep(results: Sequence[CrossValidationResult], rule: Rule = Rule.BOUND) -> Kept:
    """The scout, and the thorough expert that adds to it beyond chance, or by prior where nothing speaks against it."""
    scouts = [result for result in results if result.data.config.scout]
    others = [result for result in results if not result.data.config.scout and not math.isnan(result.auc)]
    if not scouts:
        return _best(results, rule)
    first = _best(scouts, rule)
    second = _beside(first.results[0], others, rule)
    return Kept(first.results + second.results, first.choices + second.choices)


def _best(results: Sequence[CrossValidationResult], rule: Rule) -> Kept:
    """The simplest, unless another one surely ranks better. An expert without a defined AUC comes last."""
    rivals = [result for result in results if not math.isnan(result.auc)] or list(results)
    aucs = _fair_aucs(rivals)
    order = sorted(range(len(rivals)), key=lambda index: (_complexity(rivals[index].data.config), -aucs[index]))
    simple, *others = (rivals[index] for index in order)
    if not others or math.isnan(simple.auc):
        return Kept([simple])
    evidence = _weigh(simple, others, [_log_odds(other) for other in others])
    index = max(range(len(others)), key=lambda number: np.nan_to_num(evidence.gains[number].low, nan=-1.0))
    chosen, left_out = (others[index], simple) if evidence.takes(index, rule) else (simple, others[index])
    return Kept([chosen], (_choice(simple.modality, chosen.name, left_out.name, evidence, index),))


def _beside(scout: CrossValidationResult, others: Sequence[CrossValidationResult], rule: Rule) -> Kept:
    """Of the thorough experts within one standard error of the one that adds most: the simplest kind, and of that kind
    the one that adds most. It is kept if it adds enough."""
    if not others or math.isnan(scout.auc):
        return Kept([])
    alone = _log_odds(scout)
    averages = [alone + _log_odds(other) for other in others]
    evidence = _weigh(scout, others, averages)
    best = max(evidence.gains, key=lambda gain: gain.mean)
    if math.isnan(best.mean):
        return Kept([], (_choice(scout.modality, scout.name, f"{scout.name} + {others[0].name}", evidence, 0),))
    near = [index for index, gain in enumerate(evidence.gains) if gain.mean >= best.mean - best.error]
    index = min(near, key=lambda number: (_kind(others[number].data.config), -evidence.gains[number].mean))
    gain, both = evidence.gains[index], f"{scout.name} + {others[index].name}"
    least = MIN_ADDED * (1 - _auc_of_common(scout, alone, averages))
    if evidence.takes(index, rule) and gain.mean > least:
        return Kept([others[index]], (_choice(scout.modality, both, scout.name, evidence, index),))
    if expects_to_add(others[index], gain, least):
        reason = "such an expert is expected to add, and nothing speaks against it"
        return Kept([others[index]], (_choice(scout.modality, both, scout.name, evidence, index, reason),))
    return Kept([], (_choice(scout.modality, scout.name, both, evidence, index),))


def expects_to_add(result: CrossValidationResult, gain: Gain, least: float) -> bool:
    """Whether the prior after the evidence expects anything of a frozen network, or at least this of a fitted one."""
    config = result.data.config
    if isinstance(config, ImageExpert) and _is_frozen(config):
        return _is_pretrained(result) and with_prior(gain, FROZEN) > 0
    return result.complete and with_prior(gain, OF_ALL_FOLDS) > least


def with_prior(gain: Gain, prior: Prior) -> float:
    """Expected gain after the evidence: weighted by what each is sure of."""
    evidence, expected = 1 / max(gain.error, 1e-6) ** 2, 1 / prior.spread**2
    return (evidence * gain.mean + expected * prior.gain) / (evidence + expected)


def _is_pretrained(result: CrossValidationResult) -> bool:
    config = result.data.config
    return isinstance(config, ImageExpert) and (config.pretrained or config.encoder in result.data.weights)


def _is_frozen(config: ImageExpert) -> bool:
    return config.freeze or config.tuning == "frozen"


def _complexity(config: ExpertConfig) -> tuple[int, int]:
    """By kind, then by pixels."""
    pixels = config.rows * config.cols * config.height_px * config.width_px if isinstance(config, ImageExpert) else 0
    return _kind(config), pixels


def _kind(config: ExpertConfig) -> int:
    """Kernel machines, then frozen networks, then fitted ones. More pixels do not mean more that is learned."""
    if not isinstance(config, ImageExpert):
        return 0 if config.encoder.endswith("_profile") else 2
    return 0 if config.readout == "kernel" else 1 if _is_frozen(config) else 2


def _fair_aucs(results: Sequence[CrossValidationResult]) -> list[float]:
    """On the pieces that all have scored: the single fold of a network may be easier than average."""
    logits = [_judged(result) for result in results]
    common = ~np.isnan(logits).any(0)
    aucs = [_auc(np.where(common, values, np.nan), result) for values, result in zip(logits, results, strict=True)]
    return [result.auc for result in results] if np.isnan(aucs).any() else aucs


def _auc_of_common(scout: CrossValidationResult, alone: Scores, averages: Sequence[Scores]) -> float:
    return _auc(np.where(np.isnan(averages).any(0), np.nan, alone), scout)


def _auc(scores: Scores, result: CrossValidationResult) -> float:
    known = ~np.isnan(scores) & _known(result)
    labels = _labels(result)[known]
    return math.nan if labels.all() or not labels.any() else area_under_curve(scores[known], labels)


def _weigh(
    simple: CrossValidationResult, others: Sequence[CrossValidationResult], scores: Sequence[Scores]
) -> Evidence:
    known = _known(simple)
    scores_AP = np.where(known, np.stack(scores), np.nan)
    names = [other.name for other in others]
    return weigh_ranking(scores_AP, _log_odds(simple), _labels(simple), _units(simple), names, seed=0)


def _log_odds(result: CrossValidationResult) -> Scores:
    """(P,) on the scale of log-odds: a blind expert hardly moves an average."""
    logits = _judged(result)
    return scaled(logits, _labels(result), ~np.isnan(logits) & _known(result))


def _judged(result: CrossValidationResult) -> Scores:
    logits: Scores = result.judged[:, 0].numpy().astype(np.float64)
    return logits


def _known(result: CrossValidationResult) -> Labels:
    known: Labels = ~result.data.judged_targets[:, 0].isnan().numpy()
    return known


def _labels(result: CrossValidationResult) -> Labels:
    labels: Labels = result.data.judged_targets[:, 0].numpy() >= 0.5
    return labels


def _units(result: CrossValidationResult) -> list[frozenset[str]]:
    data = result.data
    pieces = data.pieces or tuple((index,) for index in range(len(data.groups)))
    return [frozenset(data.groups[index] for index in frames) for frames in pieces]


def _choice(modality: str, chosen: str, left_out: str, evidence: Evidence, index: int, reason: str = "") -> Choice:
    gain = evidence.gains[index]
    if not reason and not evidence.enough:
        reason = "too few independent recordings to judge"
    return Choice(
        f"Experts of {modality}",
        chosen,
        left_out,
        None if math.isnan(gain.mean) else gain,
        evidence.groups(),
        reason,
        "AUC",
    )
