"""Turns scored pieces into what a bundle's service would have said of them. Runs no model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fusion.calibration import Scores
from fusion.policy import routed
from fusion.scored import ExpertSet, Scored
from inspector.bundle.schema import Bundle, Calibration
from inspector.recipe.decision import DecisionResult, Limits, decide
from inspector.training.calibration.certify import routed_scores


@dataclass(frozen=True, eq=False)
class Routed:
    """Per piece, what ran and the calibrated defect score of that; NaN where nothing did."""

    schema: Bundle
    scored: Scored
    ran: Sequence[ExpertSet]
    scores: Scores

    def rulings(self, required: frozenset[str]) -> list[DecisionResult]:
        """By the bundle's limits."""
        calibrations, modalities = calibrations_of(self.schema), modality_of(self.schema)
        found = []
        for experts, score in zip(self.ran, self.scores.tolist(), strict=True):
            own, lacks = calibrations.get(experts), required - {modalities[name] for name in experts}
            limits = None if own is None else Limits(own.pass_below, own.fail_above)
            found.append(decide(None if np.isnan(score) else score, limits, lacks))
        return found


def as_routed(schema: Bundle, scored: Scored) -> Routed:
    calibrations = calibrations_of(schema)
    ran = routed(schema.policy, schema.experts, scored, calibrations)
    return Routed(schema, scored, ran, routed_scores(scored, ran, calibrations))


def calibrations_of(schema: Bundle) -> Mapping[ExpertSet, Calibration]:
    return {frozenset(own.experts): own for own in schema.calibrations}


def modality_of(schema: Bundle) -> Mapping[str, str]:
    return {expert.name: expert.modality for expert in schema.experts}


def without(schema: Bundle, scored: Scored, modality: str) -> Scored:
    """The same pieces had this modality never arrived."""
    gone = {name for name, own in modality_of(schema).items() if own == modality}
    experts = np.array([name in gone for name in scored.experts])
    sets = np.array([bool(own & gone) for own in scored.sets])
    return replace(
        scored,
        expert_logits=np.where(experts[:, None], np.nan, scored.expert_logits),
        logits=np.where(sets[:, None], np.nan, scored.logits),
        cpu_s=np.where(experts[:, None], 0.0, scored.cpu_s),
    )
