"""Reads from examined pieces how far single modalities decide, as the service routes and decides."""

from collections.abc import Sequence

import numpy as np

from inspector.dataset.labels import own_group
from inspector.evaluation.dominance import Decided, Dominance, decision_alone, dominance, own_auc
from inspector.evaluation.noisy_or import truth
from inspector.evaluation.run import Examined, experts_of
from inspector.recipe.recipe import Recipe
from inspector.recipe.thresholds import limits_of
from protos.inspection.v1 import verdict_pb2 as pb


def examined_dominance(pieces: Examined, recipe: Recipe, verdicts: Sequence[pb.Verdict]) -> Dominance:
    """As routed. A piece that was not judged has no gate, and no modality made its decision."""
    schema = pieces.model.schema
    gates = [{m.name: m.gate_weight for m in verdict.modalities} for verdict in verdicts]
    decided = Decided(
        experts=schema.experts,
        decisions=[verdict.decision for verdict in verdicts],
        alone={modality.name: _alone(pieces, recipe, modality.name, verdicts) for modality in schema.modalities},
        ran=[experts_of(verdict) for verdict in verdicts],
        gate={
            modality.name: np.array([gate.get(modality.name, 0.0) if any(gate.values()) else np.nan for gate in gates])
            for modality in schema.modalities
        },
    )
    worth = {
        modality.name: own_auc(
            pieces.logits(pieces.able([modality.name])),
            truth(pieces.rows, modality),
            [own_group(row, modality) for row in pieces.rows],
        )
        for modality in schema.modalities
    }
    return dominance(decided, worth)


def _alone(pieces: Examined, recipe: Recipe, modality: str, verdicts: Sequence[pb.Verdict]) -> list[pb.Decision | None]:
    """By the limits that the recipe gives to the experts of this modality; None for pieces without a score."""
    schema, calibrations, sets = pieces.model.schema, pieces.model.calibrations, pieces.able([modality])
    return [
        decision_alone(score, limits_of(recipe, schema, calibrations[names], [modality]))
        if names in calibrations and verdict.HasField("defect_score")
        else None
        for score, names, verdict in zip(pieces.scores(sets).tolist(), sets, verdicts, strict=True)
    ]
