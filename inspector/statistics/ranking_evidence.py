"""Weighs a gain in ranking, the area under the curve, by the independent recordings that show it."""

from collections.abc import Sequence

import numpy as np

from fusion.calibration import Labels, Scores
from inspector.statistics.bootstrap import NUM_DRAWS, unit_weights
from inspector.statistics.classification import area_under_curve, areas
from inspector.statistics.evidence import Evidence, Units, weigh_draws


def weigh_ranking(
    scores_AP: Scores, simple_P: Scores, labels: Labels, units: Units, names: Sequence[str], seed: int
) -> Evidence:
    """Gains in AUC of scores on simple scores of the same pieces; only pieces with all scores (no NaN) count.

    NaN where these pieces are all labelled alike.
    """
    used = ~(np.isnan(simple_P) | np.isnan(scores_AP).any(0))
    labels_V, units_V = labels[used], [unit for unit, here in zip(units, used, strict=True) if here]
    if labels_V.all() or not labels_V.any():
        nothing = np.full(len(scores_AP), np.nan)
        return weigh_draws(nothing, np.full((2, len(scores_AP)), np.nan), used, units, labels, names)
    weights_DV = unit_weights(units_V, NUM_DRAWS, seed)
    simple_D = areas(simple_P[used], labels_V, weights_DV)
    simple = area_under_curve(simple_P[used], labels_V)
    means_A = np.array([area_under_curve(scores[used], labels_V) - simple for scores in scores_AP])
    draws_DA = np.stack([areas(scores[used], labels_V, weights_DV) - simple_D for scores in scores_AP], axis=1)
    return weigh_draws(means_A, draws_DA, used, units, labels, names)
