"""Rules of a recipe about single classes make REVIEW of PASS or FAIL, and never PASS of anything."""

import itertools
from collections.abc import Mapping
from pathlib import Path

import pytest

from inspector.bundle.schema import ClassScale, Policy
from inspector.judging.class_rules import rule_by_class
from inspector.recipe.decision import DecisionResult
from inspector.recipe.defects import DefectRule
from protos.inspection.v1 import verdict_pb2 as pb
from tests.bundles import Toy, clip, piece, view
from tests.inspector.judging.test_routed_judge import Bench, named

GOOD = DecisionResult(pb.DECISION_PASS, pb.DECISION_REASON_GOOD)
DEFECT = DecisionResult(pb.DECISION_FAIL, pb.DECISION_REASON_DEFECT)
UNSURE = DecisionResult(pb.DECISION_REVIEW, pb.DECISION_REASON_UNCERTAIN)
RULES = {
    "crack": DefectRule(never_pass_above=0.1, severity="critical"),
    "stain": DefectRule(decision="review", severity="minor"),
}


def ruled(
    ruling: DecisionResult, score: float, rules: Mapping[str, DefectRule] | None = None, /, **scores: float
) -> tuple[str, list[str], str, str]:
    classes = [pb.ClassProbability(name=name, probability=value) for name, value in scores.items()]
    result = rule_by_class(RULES if rules is None else rules, ruling, score, classes)
    return pb.DecisionReason.Name(result.ruling.reason)[16:], [*result.defects], result.rule, result.severity


def test_without_rules_nothing_changes_but_defects_are_named() -> None:
    assert ruled(DEFECT, 0.9, {}, crack=0.8) == ("DEFECT", ["crack"], "", "")
    assert ruled(GOOD, 0.2, {}, crack=0.2) == ("GOOD", [], "", "")


def test_a_good_piece_with_a_class_above_its_limit_goes_to_review() -> None:
    expected = ("CLASS_LIMIT", ["crack"], "defects.crack.never_pass_above = 0.1", "critical")
    assert ruled(GOOD, 0.4, crack=0.11, stain=0.05) == expected
    assert ruled(GOOD, 0.4, crack=0.1, stain=0.05) == ("GOOD", [], "", "")


def test_a_failure_by_a_class_that_a_person_may_accept_goes_to_review() -> None:
    assert ruled(DEFECT, 0.9, stain=0.8, crack=0.05) == (
        "CLASS_REVIEW",
        ["stain"],
        'defects.stain.decision = "review"',
        "minor",
    )


@pytest.mark.parametrize(
    "scores", [{"stain": 0.8, "crack": 0.5}, {"stain": 0.8, "crack": 0.11}, {"stain": 0.1}, {"crack": 0.9}]
)
def test_a_failure_stays_one_where_another_class_may_be_there(scores: dict[str, float]) -> None:
    assert ruled(DEFECT, 0.9, **scores)[0] == "DEFECT"


def test_whatever_the_rules_nothing_becomes_pass_and_no_review_becomes_anything_else() -> None:
    """So promises about defective pieces that pass, and good ones that fail, hold with any rules."""
    values = (0.0, 0.05, 0.3, 0.9)
    limits, decisions = (None, 0.0, 0.2, 1.0), (None, "review")
    rules = [DefectRule(never_pass_above=a, decision=b) for a, b in itertools.product(limits, decisions)]  # type: ignore[arg-type]
    for crack, stain, first, second in itertools.product(values, values, rules, rules):
        chosen = {"crack": first, "stain": second}
        classes = [pb.ClassProbability(name=n, probability=v) for n, v in (("crack", crack), ("stain", stain))]
        for ruling in (GOOD, DEFECT, UNSURE):
            after = rule_by_class(chosen, ruling, 0.9, classes).ruling
            assert after == ruling or after.decision == pb.DECISION_REVIEW
            assert ruling != UNSURE or after == UNSURE


SCALES = {name: ClassScale(slope=1.0, bias=0.0, parts=12, shared=False) for name in ("scratch", "rattle")}


def test_the_judge_applies_the_rules_and_the_verdict_says_which(tmp_path: Path) -> None:
    toy = Toy(policy=Policy(mode="dense"), class_scales=SCALES)
    good = piece(view(0.45), clip(0.3))
    plain = Bench(tmp_path / "plain", toy).one(good)
    assert named(plain) == ("PASS", "GOOD")
    assert (list(plain.defects), plain.class_rule) == ([], "")
    strict = Bench(tmp_path / "strict", toy, {"defects": {"scratch": {"never_pass_above": 0.01, "severity": "major"}}})
    verdict = strict.one(good)
    assert named(verdict) == ("REVIEW", "CLASS_LIMIT")
    assert verdict.class_rule == "defects.scratch.never_pass_above = 0.01"
    assert ("scratch" in verdict.defects, verdict.severity) == (True, "major")
    assert verdict.defect_score == plain.defect_score


def test_a_failing_piece_names_its_class_and_the_class_stays_below_the_defect_score(tmp_path: Path) -> None:
    verdict = Bench(tmp_path, Toy(policy=Policy(mode="dense"), class_scales=SCALES)).one(piece(view(0.9), clip(0.0)))
    scores = {entry.name: entry.probability for entry in verdict.classes}
    assert verdict.decision == pb.DECISION_FAIL
    assert verdict.defects[0] == "scratch"
    assert max(scores.values()) <= verdict.defect_score
