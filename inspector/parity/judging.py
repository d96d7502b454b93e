"""Has a model judge pieces by the serving code, as on a line that demands every modality. Knows no oracle, no file."""

from collections.abc import Sequence
from typing import NamedTuple

from inspector.decision import Limits
from inspector.examination import Examination
from inspector.model import Model
from inspector.parity.content import Decision, Said
from inspector.recipe.demanding import demanding_recipe
from inspector.routing import Finding, route
from protos.inspection.v1 import verdict_pb2 as pb
from streams.observation import Observation

MAX_BATCH = 16
"""As `JudgeSettings.max_batch` has it."""

_DECISIONS: dict[int, Decision] = {
    pb.DECISION_PASS: "PASS",
    pb.DECISION_FAIL: "FAIL",
    pb.DECISION_REVIEW: "REVIEW",
}


class Judgement(NamedTuple):
    """What was said of a piece, and by which limits; None where nothing calibrated was seen."""

    said: Said
    limits: Limits | None


def judge(model: Model, pieces: Sequence[Observation], max_batch: int = MAX_BATCH) -> list[Judgement]:
    """Through the whole routed system, all pieces at once: hand in no more than memory holds."""
    examination = Examination(model, pieces, max_batch)
    findings = route(examination, [demanding_recipe(model)] * len(pieces))
    return [_judgement(examination, row, finding) for row, finding in enumerate(findings)]


def _judgement(examination: Examination, row: int, finding: Finding) -> Judgement:
    said = Said(
        decision=_DECISIONS[finding.ruling.decision],
        score=finding.score,
        route=finding.route,
        experts=tuple(sorted(examination.ran(row))),
    )
    return Judgement(said, finding.limits)
