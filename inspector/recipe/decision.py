"""Turns a score, its limits and the examined modalities into a decision and its reason."""

import math
from collections.abc import Collection
from typing import NamedTuple

from protos.inspection.v1 import verdict_pb2 as pb


class Limits(NamedTuple):
    """A score below `pass_below` is good, one above `fail_above` defective; the limits themselves are neither."""

    pass_below: float
    fail_above: float


class DecisionResult(NamedTuple):
    decision: pb.Decision
    reason: pb.DecisionReason


def missing_required(required: Collection[str], present: Collection[str], examined: Collection[str]) -> frozenset[str]:
    """Modalities that prevent a PASS: required and absent, or present and examined by no expert."""
    return (frozenset(required) | frozenset(present)) - (frozenset(examined) & frozenset(present))


IMPLAUSIBLE = DecisionResult(pb.DECISION_REVIEW, pb.DECISION_REASON_IMPLAUSIBLE)


def decide(
    score: float | None, limits: Limits | None, missing: Collection[str], implausible: Collection[str] = ()
) -> DecisionResult:
    """FAIL needs a score alone; PASS needs everything, and every source plausible. A score or limits of None: no
    calibrated expert ran."""
    if score is not None and not math.isfinite(score):
        return DecisionResult(pb.DECISION_REVIEW, pb.DECISION_REASON_ENGINE)
    if score is not None and limits is not None and score > limits.fail_above:
        return DecisionResult(pb.DECISION_FAIL, pb.DECISION_REASON_DEFECT)
    if implausible:
        return IMPLAUSIBLE
    if missing:
        return DecisionResult(pb.DECISION_REVIEW, pb.DECISION_REASON_MISSING_MODALITY)
    if score is not None and limits is not None and score < limits.pass_below:
        return DecisionResult(pb.DECISION_PASS, pb.DECISION_REASON_GOOD)
    return DecisionResult(pb.DECISION_REVIEW, pb.DECISION_REASON_UNCERTAIN)
