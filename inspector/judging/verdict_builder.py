"""Builds a verdict from a finding: modalities, expert runs, scores and classes."""

from fusion.calibration import probability
from inspector.bundle.load import DIGEST_DIGITS
from inspector.bundle.schema import Expert
from inspector.engines.engine import Array
from inspector.inference.examination import Examination
from inspector.judging.class_scores import primary_expert
from inspector.judging.routing import RoutedResult
from inspector.recipe.recipe import Recipe
from inspector.verdicts.blank import blank_verdict
from inspector.verdicts.words import RunReason
from protos.inspection.v1 import verdict_pb2 as pb


def verdict_of(examination: Examination, row: int, recipe: Recipe, finding: RoutedResult) -> pb.Verdict:
    """The verdict without evidence, contributions and time of decision."""
    schema = examination.model.schema
    verdict = blank_verdict(examination.pieces[row], recipe, finding.ruling)
    verdict.bundle, verdict.bundle_version = schema.name, schema.version
    verdict.bundle_digest = examination.model.bundle.digest[:DIGEST_DIGITS]
    verdict.engine, verdict.route = examination.model.engine, finding.route
    verdict.cost_ms = sum(examination.costs_ms[row].values()) + examination.head_ms[row]
    if finding.score is not None:
        verdict.defect_score = finding.score
    if finding.limits is not None:
        verdict.pass_below, verdict.fail_above = finding.limits
    verdict.experts.extend(_run(examination, row, expert) for expert in schema.experts)
    for modality in verdict.modalities:
        _add_modality_score(examination, row, modality, None if finding.fused is None else finding.fused.gate)
    verdict.classes.extend(finding.classes)
    verdict.defects.extend(finding.defects)
    verdict.class_rule, verdict.severity = finding.class_rule, finding.severity
    return verdict


def _run(examination: Examination, row: int, expert: Expert) -> pb.ExpertRun:
    cost_ms = examination.costs_ms[row].get(expert.name)
    if cost_ms is not None:
        why = RunReason.SCOUT if expert.scout else RunReason.ROUTED
        return pb.ExpertRun(expert=expert.name, modality=expert.modality, ran=True, cost_ms=cost_ms, why=why)
    why = RunReason.SKIPPED if expert.modality in examination.present[row] else RunReason.ABSENT
    return pb.ExpertRun(expert=expert.name, modality=expert.modality, why=why)


def _add_modality_score(examination: Examination, row: int, modality: pb.Modality, gate: Array | None) -> None:
    """The score of this modality's primary expert, and the head's weight on the modality."""
    expert = primary_expert(examination, row, modality.name)
    if expert is None:
        if modality.state == pb.MODALITY_STATE_PRESENT:
            modality.reason = pb.MODALITY_REASON_NOT_EXAMINED
        return
    logit = examination.expert_outputs[row][expert.name].defect_logit
    if expert.calibration is None:
        modality.raw_defect_score = probability(logit, 1.0, 0.0)
    else:
        modality.defect_score = probability(logit, expert.calibration.temperature, expert.calibration.bias)
    if gate is not None:
        experts = examination.model.schema.experts
        modality.gate_weight = sum(float(gate[i]) for i, e in enumerate(experts) if e.modality == modality.name)
