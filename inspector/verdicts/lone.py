"""Reads from a verdict whether one modality decided it, by what the verdict holds already."""

from protos.inspection.v1 import verdict_pb2 as pb


def lone_decider(verdict: pb.Verdict) -> str | None:
    """The one modality whose own score would have led to the same decision at the verdict's limits.

    None if several would or none would, if fewer than two were examined, or if one has no calibrated score. Evaluation
    asks the same of each modality's own limits, which a verdict does not hold.
    """
    examined = [modality for modality in verdict.modalities if modality.HasField("gate_weight")]
    if len(examined) < 2 or not verdict.HasField("pass_below"):
        return None
    if not all(modality.HasField("defect_score") for modality in examined):
        return None
    agreeing = [m.name for m in examined if _decision(verdict, m.defect_score) == verdict.decision]
    return agreeing[0] if len(agreeing) == 1 else None


def thorough_only(verdict: pb.Verdict) -> str | None:
    """The one modality that a thorough expert looked at; None for several, or where scouts were enough."""
    modalities = {run.modality for run in verdict.experts if run.ran and run.why != "scout"}
    return modalities.pop() if len(modalities) == 1 else None


def _decision(verdict: pb.Verdict, score: float) -> pb.Decision:
    if score > verdict.fail_above:
        return pb.DECISION_FAIL
    return pb.DECISION_PASS if score < verdict.pass_below else pb.DECISION_REVIEW
