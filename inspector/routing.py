"""Spends computing on pieces: scouts on all, further experts where a piece is worth it, and rules on what they saw.

Knows neither Kafka nor how a verdict is written down.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from fusion.calibration import probability
from fusion.policy import wanted
from inspector.bundle.schema import Calibration, Expert
from inspector.decision import Limits, Ruling, decide, lacking
from inspector.examination import Examination, Fused
from inspector.recipe.model import Recipe
from protos.inspection.v1 import verdict_pb2 as pb

ENGINE_FAILED = Ruling(pb.DECISION_REVIEW, pb.DECISION_REASON_ENGINE)
OVERLOADED = Ruling(pb.DECISION_REVIEW, pb.DECISION_REASON_OVERLOAD)


class Budget(Enum):
    """How much computing a piece may cost; falls under overload, so that lag stays bounded."""

    FULL = "full"
    SCOUTS = "scouts"
    REVIEW = "review"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one piece."""

    ruling: Ruling
    route: str = ""
    score: float | None = None
    limits: Limits | None = None
    calibration: Calibration | None = None
    fused: Fused | None = None


def route(examination: Examination, recipes: Sequence[Recipe], budget: Budget) -> list[Finding]:
    """One finding per piece of the examination; `recipes` has each piece's recipe."""
    experts = examination.model.schema.experts
    rows = range(len(recipes))
    _look(examination, [{e.name for e in experts if e.scout and e.modality in examination.present[r]} for r in rows])
    findings = _rule(examination, rows, recipes)
    wishes = [_wishes(examination, row, findings[row], recipes[row]) for row in rows]
    if budget is Budget.FULL:
        _look(examination, wishes)
        again = [row for row in rows if wishes[row]]
        for row, finding in zip(again, _rule(examination, again, recipes), strict=True):
            findings[row] = finding
    return [_named(examination, row, findings[row], starved=bool(wishes[row])) for row in rows]


def _look(examination: Examination, wishes: Sequence[set[str]]) -> None:
    """Gathers the pieces that want an expert; where none does, it does not run."""
    for expert in examination.model.schema.experts:
        rows = [row for row, names in enumerate(wishes) if expert.name in names]
        if rows:
            examination.look(expert, rows)


def _rule(examination: Examination, rows: Sequence[int], recipes: Sequence[Recipe]) -> list[Finding]:
    able = [row for row in rows if examination.looks[row] and row not in examination.failed]
    fused = dict(zip(able, examination.fuse(able), strict=True))
    return [_finding(examination, row, recipes[row], fused.get(row)) for row in rows]


def _finding(examination: Examination, row: int, recipe: Recipe, fused: Fused | None) -> Finding:
    if row in examination.failed:
        return Finding(ENGINE_FAILED)
    lacks = lacking(recipe.required, examination.present[row], examination.examined(row))
    calibration = examination.model.calibrations.get(examination.ran(row))
    if fused is None or calibration is None:
        return Finding(decide(None, None, lacks), fused=fused)
    score = probability(float(fused.logits[0]), calibration.temperature, calibration.bias)
    limits = Limits(
        calibration.pass_below if recipe.pass_below is None else recipe.pass_below,
        calibration.fail_above if recipe.fail_above is None else recipe.fail_above,
    )
    ruling = decide(score, limits, lacks)
    return Finding(ruling, score=score, limits=limits, calibration=calibration, fused=fused)


def _wishes(examination: Examination, row: int, early: Finding, recipe: Recipe) -> set[str]:
    """Experts that this piece is worth after its scouts.

    A modality that no expert would look at is added, unless the piece fails at once: nothing passes half seen.
    """
    if early.ruling == ENGINE_FAILED:
        return set()
    schema, present = examination.model.schema, examination.present[row]
    able = _able(examination, row)
    fails = early.ruling.decision == pb.DECISION_FAIL
    if fails and recipe.full_evidence_on_fail:
        return {expert.name for expert in able}
    chosen = set(wanted(schema.policy, schema.experts, present, early.score))
    if fails and not chosen:
        return chosen
    seen = examination.examined(row) | {expert.modality for expert in able if expert.name in chosen}
    return chosen | {expert.name for expert in able if expert.modality not in seen}


def _able(examination: Examination, row: int) -> list[Expert]:
    """Experts beside the scouts whose modality is there."""
    return [e for e in examination.model.schema.experts if not e.scout and e.modality in examination.present[row]]


def _named(examination: Examination, row: int, finding: Finding, starved: bool) -> Finding:
    """Names the route, and the overload where it is what kept a piece from being decided."""
    able = {expert.name for expert in _able(examination, row)}
    ran = able & examination.ran(row)
    starved = starved and not ran and finding.ruling != ENGINE_FAILED
    end = "scouts" if starved else "full" if ran == able else "part" if ran else "exit"
    ruling = finding.ruling
    if starved and ruling.decision == pb.DECISION_REVIEW:
        ruling = OVERLOADED
    return replace(finding, ruling=ruling, route=f"{examination.model.schema.policy.mode}:{end}")
