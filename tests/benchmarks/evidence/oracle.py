"""Computes what the best possible router would cost: per piece the cheapest set of experts, known beforehand.

No real router reaches it: it has to look in order to know, and does not know all then. Letters: P pieces, S sets of
experts.
"""

from collections.abc import Collection

import numpy as np

from fusion.calibration import Labels, Scores
from inspector.training.routing.sweeps import RoutingData, initial_choices


def same_decisions(data: RoutingData, limit: float, first: Collection[str] = ()) -> Scores:
    """(P,) cost in ms of the cheapest set that decides as all experts do at this limit of their scores.

    A piece at or below the limit has every modality examined, as it may pass. `first`: experts that always run.
    """
    scores_SP, dense_P = _scores(data)
    same_SP = (scores_SP > limit) == (dense_P > limit)
    return _cheapest(data, same_SP & (_whole(data) | (dense_P > limit)) & _with(data, first))


def after_a_first_look(data: RoutingData, limit: float) -> Scores:
    """(P,) as `same_decisions`, with the initial experts, the same for all pieces, that make the mean the least."""
    costs = [same_decisions(data, limit, first) for first in initial_choices(data)]
    return min(costs, key=lambda cost: float(cost.mean()), default=same_decisions(data, limit))


def same_ranking(data: RoutingData) -> Scores:
    """(P,) cost in ms of the cheapest set whose score lies no further on the wrong side than that of all experts.

    No defect ranks lower and no good piece higher, so that no limit at all loses recall. It knows the labels.
    """
    scores_SP, dense_P = _scores(data)
    labels = data.scored.labels
    no_worse_SP = np.where(labels, scores_SP >= dense_P, scores_SP <= dense_P)
    return _cheapest(data, no_worse_SP & (_whole(data) | labels))


def _scores(data: RoutingData) -> tuple[Scores, Scores]:
    everyone = data.board.able(frozenset(data.scored.experts))
    return data.board.probabilities, np.nan_to_num(data.board.scores(everyone), nan=-1.0)


def _whole(data: RoutingData) -> Labels:
    """(S, P) whether a set examines all modalities that the piece has."""
    modalities = {expert.name: expert.modality for expert in data.experts}
    kinds = sorted(set(modalities.values()))
    present_MP = np.stack(
        [
            ~np.isnan(data.scored.expert_logits[[modalities[name] == kind for name in data.scored.experts]]).all(0)
            for kind in kinds
        ]
    )
    seen_SM = np.array([[any(modalities[n] == kind for n in names) for kind in kinds] for names in data.scored.sets])
    whole_SP: Labels = np.all(seen_SM[:, :, None] | ~present_MP, axis=1)
    return whole_SP


def _with(data: RoutingData, first: Collection[str]) -> Labels:
    """(S, P) whether a set holds those of these experts that the piece has a recording for."""
    able_EP = ~np.isnan(data.scored.expert_logits)
    lacks_SE = np.array(
        [[name in first and name not in names for name in data.scored.experts] for names in data.scored.sets]
    )
    lacks_SP: Labels = np.any(lacks_SE[:, :, None] & able_EP, axis=1)
    return ~lacks_SP


def _cheapest(data: RoutingData, allowed_SP: Labels) -> Scores:
    """(P,) of the allowed sets that can run on a piece; all of its experts where there is none."""
    costs = dict(zip(data.scored.experts, data.board.costs_ms.tolist(), strict=True))
    costs_S = np.array([sum(costs[name] for name in names) for names in data.scored.sets])
    runs_SP = allowed_SP & ~np.isnan(data.board.probabilities)
    cheapest_P: Scores = np.where(runs_SP, costs_S[:, None], np.inf).min(0)
    everyone = data.board.cost_ms(data.board.able(frozenset(data.scored.experts)))
    return np.where(np.isinf(cheapest_P), everyone, cheapest_P)
