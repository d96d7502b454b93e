"""Applies a recipe's rules about single defect classes to a decision: the one place that does.

Line, `Inspect`, replay and evaluation decide through it. It never makes PASS of anything.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from inspector.recipe.decision import DecisionResult
from inspector.recipe.defects import DefectRule
from inspector.verdicts.defects import UNKNOWN_DEFECT, highest_severity, likelihood, named_defects
from protos.inspection.v1 import verdict_pb2 as pb

CLASS_LIMIT = DecisionResult(pb.DECISION_REVIEW, pb.DECISION_REASON_CLASS_LIMIT)
CLASS_REVIEW = DecisionResult(pb.DECISION_REVIEW, pb.DECISION_REASON_CLASS_REVIEW)


class ClassRuling(NamedTuple):
    """A decision with the defects that the piece has."""

    ruling: DecisionResult
    defects: Sequence[str] = ()
    rule: str = ""
    """The recipe's rule that changed the decision."""
    severity: str = ""


def rule_by_class(
    rules: Mapping[str, DefectRule],
    ruling: DecisionResult,
    score: float | None,
    classes: Sequence[pb.ClassProbability],
) -> ClassRuling:
    """`classes` get the severity that the recipe gives them."""
    for entry in classes:
        entry.severity = rules[entry.name].severity or "" if entry.name in rules else ""
    above = [entry.name for entry in classes if _is_above(rules.get(entry.name), entry)]
    rule = ""
    if ruling.decision == pb.DECISION_PASS and above:
        ruling, rule = CLASS_LIMIT, _limit_words(rules, classes, above)
    also = above if ruling == CLASS_LIMIT else ()
    defects = named_defects(ruling.decision, score, classes, also)
    if ruling.decision == pb.DECISION_FAIL and _may_be_accepted(rules, defects, above):
        ruling, rule = CLASS_REVIEW, "; ".join(f'defects.{name}.decision = "review"' for name in defects)
    return ClassRuling(ruling, defects, rule, highest_severity(classes, defects))


def _is_above(rule: DefectRule | None, entry: pb.ClassProbability) -> bool:
    return rule is not None and rule.never_pass_above is not None and likelihood(entry) > rule.never_pass_above


def _limit_words(rules: Mapping[str, DefectRule], classes: Sequence[pb.ClassProbability], above: Sequence[str]) -> str:
    """The most exceeded first."""
    ranked = sorted((entry for entry in classes if entry.name in above), key=lambda entry: -likelihood(entry))
    return "; ".join(
        f"defects.{entry.name}.never_pass_above = {rules[entry.name].never_pass_above:g}" for entry in ranked
    )


def _may_be_accepted(rules: Mapping[str, DefectRule], defects: Sequence[str], above: Sequence[str]) -> bool:
    """Every defect of the piece goes to a person, and no other class is likelier than its limit."""
    wanted = {name for name in defects if name in rules and rules[name].decision == "review"}
    return bool(defects) and UNKNOWN_DEFECT not in defects and wanted == {*defects} and {*above} <= wanted
