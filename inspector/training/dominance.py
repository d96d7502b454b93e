"""Reads from a training's cross-fitted scores how far single modalities decide. Letters: P pieces, E experts."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from fusion.calibration import Scores, probability
from fusion.policy import Policy, routed
from fusion.scored import ExpertSet, Scored
from inspector.bundle.schema import Calibration
from inspector.dataset.labels import own_group
from inspector.evaluation.dominance import Decided, Dominance, decision_alone, dominance, own_auc
from inspector.evaluation.noisy_or import truth
from inspector.recipe.decision import DecisionResult, Limits, decide
from inspector.training.calibration.certify import routed_scores
from inspector.training.dataset import Dataset
from inspector.training.export import TrainedExpert
from inspector.training.head.scores import Fusion
from protos.inspection.v1 import verdict_pb2 as pb

Calibrations = Mapping[ExpertSet, Calibration]


def trained_dominance(
    dataset: Dataset,
    experts: Sequence[TrainedExpert],
    fusion: Fusion,
    scored: Scored,
    calibrations: Calibrations,
    policy: Policy,
) -> Dominance:
    """The gate is that of the final head on the pieces that it was fitted on; all else is cross-fitted."""
    ran = routed(policy, experts, scored, calibrations)
    sets = expert_sets_of(dataset, experts)
    decided = Decided(
        experts=experts,
        decisions=[each.decision for each in decisions_of(scored, ran, calibrations, sets)],
        alone={name: _alone(scored, names, calibrations[names]) for name, names in sets.items()},
        ran=ran,
        gate=_gates(fusion, scored, ran, sets),
    )
    by_id = {row.piece_id: row for row in dataset.rows}
    rows = [by_id[piece_id] for piece_id in scored.piece_ids]
    worth = {
        modality.name: own_auc(
            scored.of(sets[modality.name]), truth(rows, modality), [own_group(row, modality) for row in rows]
        )
        for modality in dataset.modalities
    }
    return dominance(decided, worth)


def expert_sets_of(dataset: Dataset, experts: Sequence[TrainedExpert]) -> dict[str, ExpertSet]:
    """The experts of each modality."""
    return {m.name: frozenset(e.name for e in experts if e.modality == m.name) for m in dataset.modalities}


def decisions_of(
    scored: Scored, ran: Sequence[ExpertSet], calibrations: Calibrations, sets: Mapping[str, ExpertSet]
) -> list[DecisionResult]:
    """As the service decides where every modality is required; `sets` as of `expert_sets_of`."""
    decisions = []
    for score, names in zip(routed_scores(scored, ran, calibrations).tolist(), ran, strict=True):
        missing = [modality for modality, experts in sets.items() if not names & experts]
        limits = _limits(calibrations[names]) if names else None
        decisions.append(decide(None if np.isnan(score) else score, limits, missing))
    return decisions


def _alone(scored: Scored, experts: ExpertSet, calibration: Calibration) -> list[pb.Decision | None]:
    scores = probability(scored.of(experts), calibration.temperature, calibration.bias)
    return [decision_alone(score, _limits(calibration)) for score in scores.tolist()]


def _limits(calibration: Calibration) -> Limits:
    return Limits(calibration.pass_below, calibration.fail_above)


@torch.no_grad()
def _gates(
    fusion: Fusion, scored: Scored, ran: Sequence[ExpertSet], sets: Mapping[str, ExpertSet]
) -> dict[str, Scores]:
    """By modality, (P,); NaN for pieces whose tokens are not at hand, as training pieces out of fold."""
    places = {row.piece_id: place for place, row in enumerate(fusion.rows)}
    weights_PE = np.full((len(ran), len(scored.experts)), np.nan)
    head, data = fusion.head.head.eval(), fusion.head_data
    by_set = {names: data.encodings.read(head, data.sets[fusion.sets.index(names)]).gate for names in set(ran) if names}
    for index, (piece_id, names) in enumerate(zip(scored.piece_ids, ran, strict=True)):
        if names and piece_id in places:
            weights_PE[index] = by_set[names][places[piece_id]].double().numpy()
    owned = {name: [expert in experts for expert in scored.experts] for name, experts in sets.items()}
    return {name: weights_PE[:, columns].sum(1) for name, columns in owned.items()}
