"""Says which defects a piece has, by its classes: the rule behind `defects` in a verdict, and behind every page.

A class stands out if it is at least half as likely as any defect: a defective piece like this one more likely has it
than not. Several may stand out, as a piece may have several defects.
"""

from collections.abc import Collection, Iterable, Sequence

from protos.inspection.v1 import verdict_pb2 as pb

UNKNOWN_DEFECT = "unknown defect"
"""Names the defect of a piece that fails though no class explains it."""
STANDS_OUT = 0.5
"""Of the defect score: least share for which a class is named."""
SEVERITIES = ("critical", "major", "minor")
"""Highest first."""
_LEAST = 0.2
"""Of the defect score: the likeliest class below this share explains no failure. With five classes, chance gives it."""


def likelihood(entry: pb.ClassProbability) -> float:
    """Probability, or raw score where it has none; 0 where the class was not examined."""
    return entry.probability if entry.HasField("probability") else entry.raw_score


def named_defects(
    decision: int, score: float | None, classes: Iterable[pb.ClassProbability], also: Collection[str] = ()
) -> list[str]:
    """Most likely first; `also` has classes that are named whatever their share, since a rule judged by them."""
    if decision == pb.DECISION_PASS or score is None:
        return []
    ranked = sorted(classes, key=lambda entry: (-likelihood(entry), entry.name))
    named = [entry.name for entry in ranked if entry.name in also or 0 < STANDS_OUT * score <= likelihood(entry)]
    if named or decision != pb.DECISION_FAIL:
        return named
    best = ranked[0] if ranked and likelihood(ranked[0]) >= _LEAST * score else None
    return [UNKNOWN_DEFECT if best is None else best.name]


def defects_of(verdict: pb.Verdict) -> Sequence[str]:
    """As the verdict says; of an older version's, by the same rule."""
    if verdict.defects:
        return verdict.defects
    score = verdict.defect_score if verdict.HasField("defect_score") else None
    return named_defects(verdict.decision, score, verdict.classes)


def highest_severity(classes: Iterable[pb.ClassProbability], names: Collection[str]) -> str:
    """Of the classes of these names; empty where none has one."""
    given = {entry.severity for entry in classes if entry.name in names}
    return next((severity for severity in SEVERITIES if severity in given), "")
