"""Decides which experts are worth running after the scouts, from their score alone. Knows neither costs nor pixels."""

from collections.abc import Collection, Sequence
from typing import Literal, Protocol


class Policy(Protocol):
    """The limits by which a piece is routed; `low` and `high` bound the calibrated scout score."""

    @property
    def mode(self) -> Literal["dense", "static", "cascade"]: ...
    @property
    def static_experts(self) -> tuple[str, ...]: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


class Expert(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def modality(self) -> str: ...
    @property
    def scout(self) -> bool: ...


def wanted(
    policy: Policy, experts: Sequence[Expert], present: Collection[str], scout_score: float | None
) -> tuple[str, ...]:
    """Names of the experts to run beside the scouts, in the order of `experts`.

    `present` names the modalities that were captured; `scout_score` is None where no scout ran.
    """
    able = [expert for expert in experts if not expert.scout and expert.modality in present]
    match policy.mode:
        case "dense":
            chosen = able
        case "static":
            chosen = [expert for expert in able if expert.name in policy.static_experts]
        case "cascade":
            chosen = _cascade(policy, experts, able, scout_score)
    return tuple(expert.name for expert in chosen)


def _cascade(policy: Policy, experts: Sequence[Expert], able: list[Expert], scout_score: float | None) -> list[Expert]:
    """All in doubt; none once the scouts find a defect; else those of modalities that no scout has looked at."""
    if scout_score is None or policy.low <= scout_score <= policy.high:
        return able
    if scout_score > policy.high:
        return []
    scouted = {expert.modality for expert in experts if expert.scout}
    return [expert for expert in able if expert.modality not in scouted]
