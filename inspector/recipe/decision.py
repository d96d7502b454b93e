"""Turns a score, its limits and what was examined into a decision and its reason. Knows neither models nor time."""

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


def lacking(required: Collection[str], present: Collection[str], examined: Collection[str]) -> frozenset[str]:
    """Modalities that stand between the piece and a PASS: required and absent, or there and looked at by no expert."""
    return (frozenset(required) | frozenset(present)) - (frozenset(examined) & frozenset(present))


IMPLAUSIBLE = DecisionResult(pb.DECISION_REVIEW, pb.DECISION_REASON_IMPLAUSIBLE)


def decide(
    score: float | None, limits: Limits | None, lacks: Collection[str], implausible: Collection[str] = ()
) -> DecisionResult:
    """FAIL needs a score alone; PASS needs everything, and every source plausible. A score or limits of None: nothing
    calibrated was seen."""
    if score is not None and not math.isfinite(score):
        return DecisionResult(pb.DECISION_REVIEW, pb.DECISION_REASON_ENGINE)
    if score is not None and limits is not None and score > limits.fail_above:
        return DecisionResult(pb.DECISION_FAIL, pb.DECISION_REASON_DEFECT)
    if implausible:
        return IMPLAUSIBLE
    if lacks:
        return DecisionResult(pb.DECISION_REVIEW, pb.DECISION_REASON_MISSING_MODALITY)
    if score is not None and limits is not None and score < limits.pass_below:
        return DecisionResult(pb.DECISION_PASS, pb.DECISION_REASON_GOOD)
    return DecisionResult(pb.DECISION_REVIEW, pb.DECISION_REASON_UNCERTAIN)
