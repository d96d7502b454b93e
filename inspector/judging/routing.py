"""Runs scouts on all pieces and further experts where the policy asks for them, then decides by their outputs.

Independent of the log and of the format of verdicts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from fusion.calibration import probability
from fusion.policy import PartialResult, scouts
from fusion.scored import ExpertSet
from inspector.bundle.schema import Calibration
from inspector.inference.examination import Examination, Fused
from inspector.judging.class_rules import rule_by_class
from inspector.judging.class_scores import class_scores
from inspector.recipe.decision import IMPLAUSIBLE, DecisionResult, Limits, decide, missing_required
from inspector.recipe.recipe import Recipe
from inspector.recipe.thresholds import limits_of
from protos.inspection.v1 import verdict_pb2 as pb

ENGINE_FAILED = DecisionResult(pb.DECISION_REVIEW, pb.DECISION_REASON_ENGINE)
OVERLOADED = DecisionResult(pb.DECISION_REVIEW, pb.DECISION_REASON_OVERLOAD)


class Budget(Enum):
    """How much computing a piece may cost; falls under overload, so that lag stays bounded."""

    FULL = "full"
    SCOUTS = "scouts"
    REVIEW = "review"


@dataclass(frozen=True, slots=True)
class RoutedResult:
    """The result for one piece."""

    ruling: DecisionResult
    route: str = ""
    score: float | None = None
    limits: Limits | None = None
    calibration: Calibration | None = None
    fused: Fused | None = None
    classes: Sequence[pb.ClassProbability] = ()
    defects: Sequence[str] = ()
    class_rule: str = ""
    """The recipe's rule about a class that changed the decision."""
    severity: str = ""


def route(
    examination: Examination, recipes: Sequence[Recipe], budget: Budget = Budget.FULL, cost_multiplier: float = 1.0
) -> list[RoutedResult]:
    """One finding per piece of the examination; `recipes` has each piece's recipe.

    `cost_multiplier` multiplies the price of computing where the bundle's policy is `budgeted`.
    """
    rows = range(len(recipes))
    opened = [_opening(examination, row, budget) for row in rows]
    _run_experts(examination, opened)
    findings = _rule(examination, rows, recipes)
    wishes = _wishes(examination, recipes, findings, cost_multiplier)
    if budget is Budget.FULL:
        _run_experts(examination, wishes)
        again = [row for row in rows if wishes[row]]
        for row, finding in zip(again, _rule(examination, again, recipes), strict=True):
            findings[row] = finding
    starved = [budget is not Budget.FULL and bool(wish) for wish in wishes]
    off_route = [starved[row] or opened[row] != _opening(examination, row, Budget.FULL) for row in rows]
    proven = [_proven(findings[row], recipes[row], off_route[row]) for row in rows]
    named = [_named(examination, row, proven[row], opened[row], starved[row]) for row in rows]
    return [_by_class(examination, row, recipes[row], named[row]) for row in rows]


def _by_class(examination: Examination, row: int, recipe: Recipe, finding: RoutedResult) -> RoutedResult:
    """Scores the classes, and applies the recipe's rules about them."""
    classes = class_scores(examination, row, finding.fused, finding.calibration, finding.score)
    ruled = rule_by_class(recipe.defects, finding.ruling, finding.score, classes)
    return replace(
        finding,
        ruling=ruled.ruling,
        classes=classes,
        defects=ruled.defects,
        class_rule=ruled.rule,
        severity=ruled.severity,
    )


def _proven(finding: RoutedResult, recipe: Recipe, off_route: bool) -> RoutedResult:
    """A certificate holds for the bundle's routes only: a piece on another route under load does not PASS."""
    if off_route and recipe.certified_miss_rate is not None and finding.ruling.decision == pb.DECISION_PASS:
        return replace(finding, ruling=OVERLOADED)
    return finding


def _opening(examination: Examination, row: int, budget: Budget) -> ExpertSet:
    schema, present = examination.model.schema, examination.present[row]
    if budget is Budget.FULL:
        return examination.model.routes.initial_experts(present)
    return scouts(schema.experts, present)


def _run_experts(examination: Examination, wishes: Sequence[ExpertSet]) -> None:
    """Runs each expert once, on all pieces that need it."""
    for expert in examination.model.schema.experts:
        rows = [row for row, names in enumerate(wishes) if expert.name in names]
        if rows:
            examination.run_expert(expert, rows)


def _rule(examination: Examination, rows: Sequence[int], recipes: Sequence[Recipe]) -> list[RoutedResult]:
    able = [row for row in rows if examination.expert_outputs[row] and row not in examination.failed]
    fused = dict(zip(able, examination.fuse(able), strict=True))
    return [_finding(examination, row, recipes[row], fused.get(row)) for row in rows]


def _finding(examination: Examination, row: int, recipe: Recipe, fused: Fused | None) -> RoutedResult:
    if row in examination.failed:
        return RoutedResult(ENGINE_FAILED)
    missing = missing_required(recipe.required, examination.present[row], examination.examined(row))
    missing |= examination.unseen(row)
    implausible = examination.implausible[row]
    calibration = examination.model.calibrations.get(examination.ran(row))
    if fused is None or calibration is None:
        return RoutedResult(decide(None, None, missing, implausible), fused=fused)
    score = probability(float(fused.logits[0]), calibration.temperature, calibration.bias)
    limits = limits_of(recipe, examination.model.schema, calibration, examination.examined(row))
    ruling = decide(score, limits, missing, implausible)
    if implausible & examination.examined(row):
        ruling = IMPLAUSIBLE
    return RoutedResult(ruling, score=score, limits=limits, calibration=calibration, fused=fused)


def _wishes(
    examination: Examination, recipes: Sequence[Recipe], findings: Sequence[RoutedResult], cost_multiplier: float
) -> list[ExpertSet]:
    """Experts that each piece is worth after its first ones."""
    glances = [_glance(examination, row, finding) for row, finding in enumerate(findings)]
    wishes = examination.model.routes.next_experts(glances, cost_multiplier)
    for row, (recipe, finding) in enumerate(zip(recipes, findings, strict=True)):
        if finding.ruling == ENGINE_FAILED:
            wishes[row] = frozenset()
        elif glances[row].fails and recipe.full_evidence_on_fail:
            wishes[row] = _able(examination, row) - examination.ran(row)
    return wishes


def _glance(examination: Examination, row: int, early: RoutedResult) -> PartialResult:
    logits = {name: look.defect_logit for name, look in examination.expert_outputs[row].items()}
    log_odds = None
    if early.fused is not None and early.calibration is not None:
        log_odds = float(early.fused.logits[0]) / early.calibration.temperature + early.calibration.bias
    return PartialResult(examination.present[row], logits, log_odds, early.ruling.decision == pb.DECISION_FAIL)


def _able(examination: Examination, row: int) -> ExpertSet:
    """Experts whose modality is there."""
    present = examination.present[row]
    return frozenset(expert.name for expert in examination.model.schema.experts if expert.modality in present)


def _named(examination: Examination, row: int, finding: RoutedResult, opened: ExpertSet, starved: bool) -> RoutedResult:
    """Adds the route's name, and reason OVERLOAD where only overload kept a piece from a decision."""
    ran, ruling = examination.ran(row), finding.ruling
    whole = ran == _able(examination, row)
    end = "scouts" if starved else "full" if whole else "exit" if ran <= opened else "part"
    if starved and ruling.decision == pb.DECISION_REVIEW:
        ruling = OVERLOADED
    return replace(finding, ruling=ruling, route=f"{examination.model.schema.policy.mode}:{end}")
