"""Figures of scores on examined pieces: of the fused score, of noisy-or of the same experts, of each expert alone."""

from collections.abc import Mapping

import numpy as np

from fusion.calibration import Labels, Scores, fit, probability
from inspector.dataset.labels import units_of
from inspector.evaluation.noisy_or import calibrated, noisy_or, truth
from inspector.evaluation.run import Examined
from inspector.statistics.bootstrap import NUM_DRAWS, unit_weights
from inspector.statistics.classification import Certainty, Figures, certainty, figures


def noisy_or_scores(pieces: Examined, reference: Examined) -> Scores:
    """Calibrated once more, as the head is."""
    raw, at_reference = (_noisy_or_logits(examined, reference) for examined in (pieces, reference))
    calibration = fit(at_reference, labels_of(reference))
    return probability(raw, calibration.temperature, calibration.bias)


def _noisy_or_logits(pieces: Examined, reference: Examined) -> Scores:
    return noisy_or(
        [_calibrated(pieces, reference, name) for name in _experts_of(pieces, modality)]
        for modality in modality_names(pieces)
    )


def _calibrated(pieces: Examined, reference: Examined, expert: str) -> Scores:
    return calibrated(pieces.expert_logits(expert), reference.expert_logits(expert), _own_labels(reference, expert))


def own_figures(pieces: Examined, reference: Examined, false_reject_rate: float) -> dict[str, Figures]:
    """Of each expert alone, against the label of its own modality."""
    result = {}
    for expert in pieces.model.schema.experts:
        scores = probability(_calibrated(pieces, reference, expert.name), 1.0, 0.0)
        labels = _own_labels(pieces, expert.name)
        known = ~np.isnan(labels)
        if not compares(scores[known], labels[known] > 0.5):
            continue
        result[expert.name] = figures_of(scores[known], labels[known] > 0.5, false_reject_rate)
    return result


def compares(scores: Scores, labels: Labels) -> bool:
    """Whether there are scores of good and of defective pieces: those that the service rejects have none."""
    return len(set(labels[~np.isnan(scores)].tolist())) == 2


def figures_of(scores: Scores, labels: Labels, false_reject_rate: float) -> Figures:
    """Of the pieces that have a score."""
    seen = ~np.isnan(scores)
    return figures(scores[seen], labels[seen], false_reject_rate)


def certainty_of(pieces: Examined, scores: Mapping[str, Scores]) -> dict[str, Certainty]:
    """Intervals of each score, over independent recordings."""
    labels = labels_of(pieces)
    units = [units_of(row, pieces.model.schema.modalities) for row in pieces.rows]
    weights_DV = unit_weights(units, NUM_DRAWS, seed=0)
    seen = {name: ~np.isnan(values) for name, values in scores.items()}
    return {
        name: certainty(values[seen[name]], labels[seen[name]], weights_DV[:, seen[name]])
        for name, values in scores.items()
    }


def _own_labels(pieces: Examined, expert: str) -> Scores:
    """1 defective, 0 good, NaN unknown, by the label of the expert's modality or else of the piece."""
    schema = pieces.model.schema
    owner = next(candidate.modality for candidate in schema.experts if candidate.name == expert)
    modality = next(modality for modality in schema.modalities if modality.name == owner)
    return truth(pieces.rows, modality)


def labels_of(pieces: Examined) -> Labels:
    """True is defective."""
    return np.array([row.label == "nok" for row in pieces.rows])


def modality_names(pieces: Examined) -> list[str]:
    return [modality.name for modality in pieces.model.schema.modalities]


def _experts_of(pieces: Examined, modality: str) -> list[str]:
    return [expert.name for expert in pieces.model.schema.experts if expert.modality == modality]
