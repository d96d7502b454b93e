"""Turns scored pieces into the decisions that a bundle's service would make. Runs no model."""

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
    """Per piece, the experts that ran and their calibrated defect score; NaN where none ran."""

    schema: Bundle
    scored: Scored
    ran: Sequence[ExpertSet]
    scores: Scores

    def rulings(self, required: frozenset[str]) -> list[DecisionResult]:
        """By the bundle's limits."""
        calibrations, modalities = calibrations_of(self.schema), modality_of(self.schema)
        results = []
        for experts, score in zip(self.ran, self.scores.tolist(), strict=True):
            calibration, lacks = calibrations.get(experts), required - {modalities[name] for name in experts}
            limits = None if calibration is None else Limits(calibration.pass_below, calibration.fail_above)
            results.append(decide(None if np.isnan(score) else score, limits, lacks))
        return results


def as_routed(schema: Bundle, scored: Scored) -> Routed:
    calibrations = calibrations_of(schema)
    ran = routed(schema.policy, schema.experts, scored, calibrations)
    return Routed(schema, scored, ran, routed_scores(scored, ran, calibrations))


def calibrations_of(schema: Bundle) -> Mapping[ExpertSet, Calibration]:
    return {frozenset(calibration.experts): calibration for calibration in schema.calibrations}


def modality_of(schema: Bundle) -> Mapping[str, str]:
    return {expert.name: expert.modality for expert in schema.experts}


def without(schema: Bundle, scored: Scored, modality: str) -> Scored:
    """The same pieces without one modality."""
    removed = {expert for expert, name in modality_of(schema).items() if name == modality}
    experts = np.array([name in removed for name in scored.experts])
    sets = np.array([bool(names & removed) for names in scored.sets])
    return replace(
        scored,
        expert_logits=np.where(experts[:, None], np.nan, scored.expert_logits),
        logits=np.where(sets[:, None], np.nan, scored.logits),
        cpu_s=np.where(experts[:, None], 0.0, scored.cpu_s),
    )
