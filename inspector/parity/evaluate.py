"""Judges pieces by the serving code, as on a line that requires every modality."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from inspector.inference.batching import MAX_BATCH
from inspector.inference.examination import Examination
from inspector.inference.model import Model
from inspector.judging.routing import RoutedResult, route
from inspector.parity.schema import Decision, Prediction
from inspector.plausibility.limits import Strictness
from inspector.recipe.decision import Limits, decide, missing_required
from inspector.recipe.recipe import Recipe
from inspector.recipe.strict_recipe import strict_recipe
from inspector.recipe.thresholds import limits_of
from protos.inspection.v1 import verdict_pb2 as pb
from streams.observation import Observation

"""The service's default."""

_DECISIONS: dict[int, Decision] = {
    pb.DECISION_PASS: "PASS",
    pb.DECISION_FAIL: "FAIL",
    pb.DECISION_REVIEW: "REVIEW",
}


class Judgement(NamedTuple):
    """A prediction, and its limits; None where no calibrated expert ran."""

    prediction: Prediction
    limits: Limits | None


def judge(model: Model, pieces: Sequence[Observation], max_batch: int = MAX_BATCH) -> list[Judgement]:
    """Through the whole routed system, all pieces at once: pass no more than fit in memory. Ignores plausibility: it
    compares engines, not sources."""
    believed: list[dict[str, Strictness]] = [dict.fromkeys([*piece.views, *piece.clips], "off") for piece in pieces]
    examination = Examination(model, pieces, max_batch, believed)
    findings = route(examination, [strict_recipe(model.schema, model.bundle.folder)] * len(pieces))
    return [_judgement(examination, row, finding) for row, finding in enumerate(findings)]


def _judgement(examination: Examination, row: int, finding: RoutedResult) -> Judgement:
    prediction = Prediction(
        decision=_DECISIONS[finding.ruling.decision],
        score=finding.score,
        route=finding.route,
        experts=tuple(sorted(examination.ran(row))),
    )
    return Judgement(prediction, finding.limits)


def by_recipe(model: Model, recipe: Recipe, present: Collection[str], prediction: Prediction) -> Prediction:
    """The same score of the same experts, decided by a recipe's limits for a piece with these modalities."""
    schema = model.schema
    examined = {expert.modality for expert in schema.experts if expert.name in prediction.experts}
    known = {modality.name for modality in schema.modalities}
    calibration = model.calibrations.get(frozenset(prediction.experts))
    limits = None if calibration is None else limits_of(recipe, schema, calibration, examined)
    ruling = decide(prediction.score, limits, missing_required(recipe.required, known.intersection(present), examined))
    return prediction.model_copy(update={"decision": _DECISIONS[ruling.decision]})
