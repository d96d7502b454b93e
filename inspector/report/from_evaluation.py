"""Turns an evaluation into the content of a report."""

import math
from collections.abc import Sequence

from inspector.dataset.labels import units_of
from inspector.evaluation.class_figures import ClassReport
from inspector.evaluation.evaluated import Evaluated
from inspector.evaluation.report import counts, judged_by
from inspector.recipe.decision import Limits
from inspector.recipe.thresholds import certificate_words, limits_of
from inspector.report.content import Content, ReportedPiece, ScoreCurve
from inspector.report.next_steps import limit_steps
from inspector.report.worst import named_in, worst

DECIDED, ALONE = "routed", " alone"
"""The scores that decide, and the ending of those of one modality, by the names of `Report.scores`."""


def evaluation_content(evaluated: Evaluated) -> Content:
    report, model = evaluated.report, evaluated.pieces.model
    schema = model.schema
    pieces = _pieces(evaluated)
    whole = model.calibrations[frozenset(expert.name for expert in schema.experts)]
    names = [modality.name for modality in schema.modalities]
    index_of = {row.piece_id: index for index, row in enumerate(evaluated.pieces.rows)}
    return Content(
        title=f"{report.bundle} {report.version} on split {report.split}",
        about=(counts(report.pieces, report.defective, report.recordings), judged_by(report), *_warning(report.split)),
        pieces=pieces,
        outcome=report.outcomes["nothing"],
        curves=_curves(evaluated),
        calibration=whole,
        limits=limits_of(evaluated.recipe, schema, whole, names),
        promise=certificate_words(schema.certificate),
        dominance=report.dominance,
        classes=ClassReport(report.classes, report.confusion) if report.classes and report.confusion else None,
        shown={name: evaluated.pieces.shown(index_of[name]) for name in named_in(worst(pieces))},
        advice=(*report.dominance.warnings(), *limit_steps(whole)),
    )


def _warning(split: str) -> Sequence[str]:
    if split == "test":
        return ()
    return ("This is no test: training has seen this split, or chose limits and routes on it.",)


def _pieces(evaluated: Evaluated) -> list[ReportedPiece]:
    modalities = evaluated.pieces.model.schema.modalities
    return [
        ReportedPiece(row, result.decision, result.reason, _finite(result.score), units_of(row, modalities))
        for row, result in zip(evaluated.pieces.rows, evaluated.report.pieces_routed, strict=True)
    ]


def _finite(score: float | None) -> float | None:
    return None if score is None or not math.isfinite(score) else score


def _curves(evaluated: Evaluated) -> list[ScoreCurve]:
    """First the score that decides, then all experts together, noisy-or, and each modality alone."""
    order = sorted(evaluated.scores, key=lambda name: name != DECIDED)
    return [
        ScoreCurve(name, evaluated.scores[name], evaluated.report.certainty[name].auc, _limits(evaluated, name))
        for name in order
    ]


def _limits(evaluated: Evaluated, name: str) -> Limits | None:
    """Of all experts, or of those of one modality; None for scores that decide nothing."""
    model = evaluated.pieces.model
    modalities = [modality.name for modality in model.schema.modalities]
    if name.endswith(ALONE):
        modalities = [name.removesuffix(ALONE)]
    elif name not in (DECIDED, "fused"):
        return None
    experts = frozenset(expert.name for expert in model.schema.experts if expert.modality in modalities)
    calibration = model.calibrations.get(experts)
    return None if calibration is None else limits_of(evaluated.recipe, model.schema, calibration, modalities)
