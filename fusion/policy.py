"""Decides which experts run on a piece: the initial experts, and the next ones given their results.

Training and evaluation route with these functions, the service with the same rules compiled: `fusion.compiled_policy`.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

import numpy as np

from fusion.calibration import probability
from fusion.router import PartialResults, Router, path_matrix, select_path
from fusion.scored import ExpertSet, Scored

Mode = Literal["dense", "static", "cascade", "learned", "budgeted"]
LEARNED: Collection[Mode] = ("learned", "budgeted")


class Policy(Protocol):
    """How a piece is routed; `inspector.bundle.schema.Policy` documents the fields."""

    @property
    def mode(self) -> Mode: ...
    @property
    def static_experts(self) -> tuple[str, ...]: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def router(self) -> Router | None: ...
    @property
    def price(self) -> float: ...


class Expert(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def modality(self) -> str: ...
    @property
    def scout(self) -> bool: ...


class Calibration(Protocol):
    @property
    def temperature(self) -> float: ...
    @property
    def bias(self) -> float: ...
    @property
    def fail_above(self) -> float: ...


class PartialResult(NamedTuple):
    """Result of a piece's initial experts."""

    present: Collection[str]
    """Modalities that were captured."""
    logits: Mapping[str, float]
    """Defect log-odds of each expert that ran."""
    log_odds: float | None
    """Calibrated, of these experts together; None without a calibration."""
    fails: bool
    """The score is already above the FAIL limit."""


def initial_experts(policy: Policy, experts: Sequence[Expert], present: Collection[str]) -> ExpertSet:
    """The experts that run on a piece first."""
    if policy.mode == "dense":
        return runnable(experts, present)
    if policy.mode == "static":
        return runnable(experts, present) & set(policy.static_experts)
    if policy.mode in LEARNED and policy.router is not None:
        return runnable(experts, present) & set(policy.router.first)
    return scouts(experts, present)


def scouts(experts: Sequence[Expert], present: Collection[str]) -> ExpertSet:
    """The experts that still run on a piece under overload."""
    return frozenset(expert.name for expert in experts if expert.scout and expert.modality in present)


def next_experts(
    policy: Policy, experts: Sequence[Expert], partial_results: Sequence[PartialResult], cost_multiplier: float = 1.0
) -> list[ExpertSet]:
    """The experts to run on each piece in addition to those that ran.

    Adds an expert for every modality that would otherwise not be examined, unless the piece already fails: no piece
    passes with an unexamined modality. `cost_multiplier` scales the price of computing in the mode `budgeted` only.
    """
    chosen_sets = _chosen_by_policy(policy, experts, partial_results, cost_multiplier)
    return [
        with_missing_modalities(experts, partial, chosen).difference(partial.logits)
        for partial, chosen in zip(partial_results, chosen_sets, strict=True)
    ]


def _chosen_by_policy(
    policy: Policy, experts: Sequence[Expert], partial_results: Sequence[PartialResult], cost_multiplier: float
) -> list[ExpertSet]:
    if policy.mode in LEARNED and policy.router is not None:
        price = policy.price * (cost_multiplier if policy.mode == "budgeted" else 1.0)
        return _learned(policy.router, experts, partial_results, price)
    if policy.mode == "cascade":
        return [
            runnable(experts, partial.present) if _is_uncertain(policy, partial) else frozenset()
            for partial in partial_results
        ]
    return [initial_experts(policy, experts, partial.present) for partial in partial_results]


def _is_uncertain(policy: Policy, partial: PartialResult) -> bool:
    if partial.log_odds is None:
        return True
    return policy.low <= probability(partial.log_odds, 1.0, 0.0) <= policy.high


def _learned(
    router: Router, experts: Sequence[Expert], partial_results: Sequence[PartialResult], price: float
) -> list[ExpertSet]:
    if not partial_results:
        return []
    modalities = {expert.name: expert.modality for expert in experts}
    modality_of = [modalities[name] for name in router.experts]
    partials = PartialResults(
        np.array([[partial.logits.get(name, np.nan) for name in router.first] for partial in partial_results]),
        np.array([np.nan if partial.log_odds is None else partial.log_odds for partial in partial_results]),
        np.array([[modality in partial.present for modality in modality_of] for partial in partial_results]),
        np.array([partial.fails for partial in partial_results]),
    )
    paths = select_path(router, path_matrix(router, modality_of), partials, price)
    return [
        runnable(experts, partial.present) & set(router.paths[path])
        for partial, path in zip(partial_results, paths, strict=True)
    ]


def runnable(experts: Sequence[Expert], present: Collection[str]) -> ExpertSet:
    """The experts whose modality is there."""
    return frozenset(expert.name for expert in experts if expert.modality in present)


def with_missing_modalities(experts: Sequence[Expert], partial: PartialResult, chosen: ExpertSet) -> ExpertSet:
    """Adds all experts of every modality that would not be examined, unless the piece already fails."""
    if partial.fails:
        return chosen
    ran = chosen | partial.logits.keys()
    seen = {expert.modality for expert in experts if expert.name in ran}
    return chosen | runnable(experts, set(partial.present) - seen)


def routed(
    policy: Policy, experts: Sequence[Expert], scored: Scored, calibrations: Mapping[ExpertSet, Calibration]
) -> list[ExpertSet]:
    """The experts that the service would have run on each piece, given the bundle's limits."""
    initial, partial_results = opened(policy, experts, scored, calibrations)
    return [ran | more for ran, more in zip(initial, next_experts(policy, experts, partial_results), strict=True)]


def opened(
    policy: Policy, experts: Sequence[Expert], scored: Scored, calibrations: Mapping[ExpertSet, Calibration]
) -> tuple[list[ExpertSet], list[PartialResult]]:
    """The initial experts of each piece, and their result; the same for policies with the same initial experts."""
    modalities = {expert.name: expert.modality for expert in experts}
    modality_of = [modalities[name] for name in scored.experts]
    rows = {names: row for row, names in enumerate(scored.sets)}
    partial_results, initial = [], []
    for piece, all_logits in enumerate(scored.expert_logits.T.tolist()):
        present = {modality for modality, logit in zip(modality_of, all_logits, strict=True) if logit == logit}
        ran = initial_experts(policy, experts, present)
        logits = {name: logit for name, logit in zip(scored.experts, all_logits, strict=True) if name in ran}
        joint = float(scored.logits[rows[ran], piece]) if ran else None
        initial.append(ran)
        partial_results.append(_partial_result(present, logits, joint, calibrations.get(ran)))
    return initial, partial_results


def _partial_result(
    present: Collection[str], logits: Mapping[str, float], joint: float | None, calibration: Calibration | None
) -> PartialResult:
    if joint is None or calibration is None or joint != joint:
        return PartialResult(present, logits, None, fails=False)
    log_odds = joint / calibration.temperature + calibration.bias
    return PartialResult(present, logits, log_odds, probability(log_odds, 1.0, 0.0) > calibration.fail_above)
