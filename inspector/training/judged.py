"""Chooses calibrations, limits, routes and the certificate of trained experts from their cross-fitted scores."""

from collections.abc import Sequence
from dataclasses import dataclass

from fusion.policy import routed
from fusion.scored import ExpertSet, Scored
from inspector.bundle.schema import Calibration, Certificate, Platt
from inspector.statistics.evidence import Choice
from inspector.training.calibration.as_routed import limits_as_routed
from inspector.training.calibration.certify import certify, routed_scores
from inspector.training.calibration.class_scales import with_class_scales
from inspector.training.calibration.probabilities import expert_calibrations
from inspector.training.calibration.thresholds import calibrate_sets
from inspector.training.config import TrainConfig
from inspector.training.dataset import Dataset
from inspector.training.experts.selection import SelectedExpert
from inspector.training.head.scores import Fusion
from inspector.training.routing.policy import PolicyChoice, choose_policy
from inspector.training.routing.sweeps import make_routing_data


@dataclass(frozen=True, eq=False)
class Judged:
    """Experts and a head, with everything that is chosen from their scores."""

    selected: list[SelectedExpert]
    fusion: Fusion
    scored: Scored
    calibrations: dict[ExpertSet, Calibration]
    choice: PolicyChoice
    certificate: Certificate
    own_calibrations: dict[str, Platt]
    rough_calibrations: dict[str, Platt]
    """Of the experts that `own_calibrations` lacks."""
    refit: Choice | None = None
    """Why encoders were fitted again or not."""


def judge(
    dataset: Dataset, config: TrainConfig, seed: int, selected: list[SelectedExpert], fusion: Fusion, scored: Scored
) -> Judged:
    """`scored`: of these experts and this head, by encoders and heads that have not seen the piece."""
    experts = tuple(entry.expert for entry in selected)
    calibrations = calibrate_sets(scored, covering_sets(dataset, selected, scored), config.acceptance)
    routing_data = make_routing_data(scored, experts, calibrations)
    choice = choose_policy(routing_data, config.acceptance, config.policy, seed)
    calibrations = limits_as_routed(scored, choice.policy, experts, calibrations)
    scores = routed_scores(scored, routed(choice.policy, experts, scored, calibrations), calibrations)
    of_experts = expert_calibrations(dataset, selected, scored)
    return Judged(
        selected=selected,
        fusion=fusion,
        scored=scored,
        calibrations=with_class_scales(calibrations, dataset, fusion),
        choice=choice,
        certificate=certify(scores, scored, config.acceptance),
        own_calibrations=of_experts.own,
        rough_calibrations=of_experts.rough,
    )


def covering_sets(dataset: Dataset, selected: Sequence[SelectedExpert], scored: Scored) -> set[ExpertSet]:
    """The sets of experts that cover all modalities."""
    modality_of = {entry.expert.name: entry.expert.modality for entry in selected}
    num_covered = {names: len({modality_of[name] for name in names}) for names in scored.sets}
    return {names for names in scored.sets if num_covered[names] == len(dataset.modalities)}
