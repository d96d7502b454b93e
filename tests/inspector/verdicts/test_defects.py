"""Which defects a verdict names, by one rule."""

import pytest

from inspector.verdicts.defects import UNKNOWN_DEFECT, defects_of, highest_severity, named_defects
from protos.inspection.v1 import verdict_pb2 as pb

FAIL, PASS, REVIEW = pb.DECISION_FAIL, pb.DECISION_PASS, pb.DECISION_REVIEW


def classes(**scores: float) -> list[pb.ClassProbability]:
    return [pb.ClassProbability(name=name, probability=score) for name, score in scores.items()]


@pytest.mark.parametrize(
    ("decision", "score", "scores", "expected"),
    [
        (FAIL, 0.9, {"crack": 0.8, "stain": 0.1}, ["crack"]),
        (FAIL, 0.9, {"stain": 0.5, "crack": 0.8}, ["crack", "stain"]),
        (FAIL, 0.9, {"crack": 0.4, "stain": 0.3}, ["crack"]),
        (FAIL, 0.9, {"crack": 0.1, "stain": 0.05}, [UNKNOWN_DEFECT]),
        (FAIL, 0.9, {}, [UNKNOWN_DEFECT]),
        (REVIEW, 0.4, {"crack": 0.3, "stain": 0.1}, ["crack"]),
        (REVIEW, 0.4, {"crack": 0.1, "stain": 0.1}, []),
        (PASS, 0.2, {"crack": 0.2}, []),
        (REVIEW, None, {"crack": 0.9}, []),
        (REVIEW, 0.0, {"crack": 0.0}, []),
    ],
)
def test_classes_that_are_half_the_defect_score_are_named_and_a_failure_always_is(
    decision: int, score: float | None, scores: dict[str, float], expected: list[str]
) -> None:
    assert named_defects(decision, score, classes(**scores)) == expected


def test_a_class_that_a_rule_judged_by_is_named_whatever_its_share() -> None:
    assert named_defects(REVIEW, 0.4, classes(crack=0.11, stain=0.3), {"crack"}) == ["stain", "crack"]


def test_a_raw_score_counts_where_there_is_no_probability() -> None:
    raw = [pb.ClassProbability(name="crack", raw_score=0.7), pb.ClassProbability(name="never examined")]
    assert named_defects(FAIL, 0.9, raw) == ["crack"]


def test_verdicts_of_older_versions_are_read_by_the_same_rule() -> None:
    old = pb.Verdict(decision=FAIL, defect_score=0.9, classes=classes(crack=0.8))
    assert defects_of(old) == ["crack"]
    assert defects_of(pb.Verdict(decision=FAIL, defects=["stain"], classes=classes(crack=0.8))) == ["stain"]


def test_an_older_client_skips_the_new_fields() -> None:
    """Fields that a client does not know change nothing in those that it knows."""
    new = pb.Verdict(decision=REVIEW, defect_score=0.5, defects=["crack"], class_rule="x", severity="major")
    known = pb.Verdict(decision=REVIEW, defect_score=0.5)
    assert new.SerializeToString().startswith(known.SerializeToString())


def test_the_highest_severity_of_the_named_classes_counts() -> None:
    given = [pb.ClassProbability(name=name, severity=name[:-1]) for name in ("minor1", "critical2", "major3")]
    assert highest_severity(given, {"minor1", "major3"}) == "major"
    assert highest_severity(given, {"other"}) == ""
