"""Decides which experts run on a piece: first, and after these. Knows neither pixels nor the features of an expert.

Service, training and evaluation route by these functions alone.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

import numpy as np

from fusion.calibration import probability
from fusion.router import PartialResults, Router, cheapest, ways
from fusion.scored import ExpertSet, Scored

Mode = Literal["dense", "static", "cascade", "learned", "budgeted"]
LEARNED: Collection[Mode] = ("learned", "budgeted")


class Policy(Protocol):
    """How a piece is routed; what each field means stands in `inspector.bundle.schema.Policy`."""

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
    """What is known of a piece once its first experts ran."""

    present: Collection[str]
    """Modalities that were captured."""
    logits: Mapping[str, float]
    """Defect log-odds of each expert that ran."""
    log_odds: float | None
    """Calibrated, of these experts together; None without."""
    fails: bool
    """It is above the limit of FAIL already."""


def first(policy: Policy, experts: Sequence[Expert], present: Collection[str]) -> ExpertSet:
    """What runs on a piece before anything is known of it."""
    if policy.mode == "dense":
        return _able(experts, present)
    if policy.mode == "static":
        return _able(experts, present) & set(policy.static_experts)
    if policy.mode in LEARNED and policy.router is not None:
        return _able(experts, present) & set(policy.router.first)
    return scouts(experts, present)


def scouts(experts: Sequence[Expert], present: Collection[str]) -> ExpertSet:
    """What is left of a piece's experts where computing is short."""
    return frozenset(expert.name for expert in experts if expert.scout and expert.modality in present)


def further(
    policy: Policy, experts: Sequence[Expert], glances: Sequence[PartialResult], cost_multiplier: float = 1.0
) -> list[ExpertSet]:
    """What to run on each piece beside the experts that ran.

    A modality that no expert would look at is added, unless the piece fails at once: nothing passes half seen.
    `cost_multiplier` multiplies the price of computing, in the mode `budgeted` alone.
    """
    asked = _asked(policy, experts, glances, cost_multiplier)
    return [
        _complete(experts, glance, chosen) - glance.logits.keys() for glance, chosen in zip(glances, asked, strict=True)
    ]


def _asked(
    policy: Policy, experts: Sequence[Expert], glances: Sequence[PartialResult], cost_multiplier: float
) -> list[ExpertSet]:
    if policy.mode in LEARNED and policy.router is not None:
        price = policy.price * (cost_multiplier if policy.mode == "budgeted" else 1.0)
        return _learned(policy.router, experts, glances, price)
    if policy.mode == "cascade":
        return [_able(experts, glance.present) if _doubtful(policy, glance) else frozenset() for glance in glances]
    return [first(policy, experts, glance.present) for glance in glances]


def _doubtful(policy: Policy, glance: PartialResult) -> bool:
    if glance.log_odds is None:
        return True
    return policy.low <= probability(glance.log_odds, 1.0, 0.0) <= policy.high


def _learned(
    router: Router, experts: Sequence[Expert], glances: Sequence[PartialResult], price: float
) -> list[ExpertSet]:
    if not glances:
        return []
    modalities = {expert.name: expert.modality for expert in experts}
    own = [modalities[name] for name in router.experts]
    found = PartialResults(
        np.array([[glance.logits.get(name, np.nan) for name in router.first] for glance in glances]),
        np.array([np.nan if glance.log_odds is None else glance.log_odds for glance in glances]),
        np.array([[modality in glance.present for modality in own] for glance in glances]),
        np.array([glance.fails for glance in glances]),
    )
    paths = cheapest(router, ways(router, own), found, price)
    return [
        _able(experts, glance.present) & set(router.paths[path]) for glance, path in zip(glances, paths, strict=True)
    ]


def _able(experts: Sequence[Expert], present: Collection[str]) -> ExpertSet:
    return frozenset(expert.name for expert in experts if expert.modality in present)


def _complete(experts: Sequence[Expert], glance: PartialResult, chosen: ExpertSet) -> ExpertSet:
    if glance.fails:
        return chosen
    ran = chosen | glance.logits.keys()
    seen = {expert.modality for expert in experts if expert.name in ran}
    return chosen | _able(experts, set(glance.present) - seen)


def routed(
    policy: Policy, experts: Sequence[Expert], scored: Scored, calibrations: Mapping[ExpertSet, Calibration]
) -> list[ExpertSet]:
    """The experts that the service would have run on each piece, by the bundle's limits."""
    modalities = {expert.name: expert.modality for expert in experts}
    own = [modalities[name] for name in scored.experts]
    rows = {names: row for row, names in enumerate(scored.sets)}
    glances, opened = [], []
    for piece, said in enumerate(scored.expert_logits.T.tolist()):
        present = {modality for modality, logit in zip(own, said, strict=True) if logit == logit}
        ran = first(policy, experts, present)
        logits = {name: logit for name, logit in zip(scored.experts, said, strict=True) if name in ran}
        joint = float(scored.logits[rows[ran], piece]) if ran else None
        opened.append(ran)
        glances.append(_glance(present, logits, joint, calibrations.get(ran)))
    return [ran | more for ran, more in zip(opened, further(policy, experts, glances), strict=True)]


def _glance(
    present: Collection[str], logits: Mapping[str, float], joint: float | None, calibration: Calibration | None
) -> PartialResult:
    if joint is None or calibration is None or joint != joint:
        return PartialResult(present, logits, None, fails=False)
    log_odds = joint / calibration.temperature + calibration.bias
    return PartialResult(present, logits, log_odds, probability(log_odds, 1.0, 0.0) > calibration.fail_above)
