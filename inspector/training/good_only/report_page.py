"""Turns a fit of good pieces into the content of a report: each piece is compared with recordings of other groups."""

import math

import numpy as np
import torch

from inspector.dataset.labels import units_of
from inspector.evaluation.dominance import Dominance
from inspector.evaluation.outcomes import outcome_of
from inspector.recipe.decision import Limits, decide
from inspector.report.content import Content, ReportedPiece
from inspector.report.worst import named_in, worst
from inspector.training.good_only.fit import GoodFit
from inspector.training.good_only.limits import held_scores
from inspector.training.report_page import Examine
from inspector.verdicts.words import enum_word
from protos.inspection.v1 import verdict_pb2 as pb

PROMISE = "nothing: no defect is known, and how many pass is unknown until `inspector evaluate` sees some"
NEXT = (
    "Look at the pieces under Worst REVIEW: an unusual good piece, a wrong label or a lamp that has changed?",
    "Label what people find in REVIEW. With some dozens of defective pieces, `inspector train` makes a bundle that "
    "knows them.",
)


def good_content(fit: GoodFit, examine: Examine) -> Content:
    """`examine` gets the most unusual pieces."""
    bundle, rows = fit.bundle, fit.rows
    whole = max(bundle.calibrations, key=lambda calibration: len(calibration.experts))
    limits = Limits(whole.pass_below, whole.fail_above)
    scores = held_scores(bundle.head, fit.held_logits, torch.ones(fit.held_logits.shape[1])).tolist()
    rulings = [decide(None if math.isnan(score) else score, limits, ()) for score in scores]
    units = [units_of(row, bundle.modalities) for row in rows]
    pieces = [
        ReportedPiece(row, enum_word(pb.Decision, ruling.decision), enum_word(pb.DecisionReason, ruling.reason),
                      None if math.isnan(score) else score, unit)
        for row, ruling, score, unit in zip(rows, rulings, scores, units, strict=True)
    ]  # fmt: skip
    row_of = {row.piece_id: row for row in rows}
    return Content(
        title=f"Fit of {bundle.name} {bundle.version} on good pieces",
        about=(
            f"{len(rows)} good pieces, each compared with the recordings of other groups.",
            "No test, and no defective piece: a score says how unusual a piece is, and is no probability of a defect.",
        ),
        pieces=pieces,
        outcome=outcome_of([ruling.decision for ruling in rulings], np.zeros(len(rows), np.bool_), units),
        curves=[],
        calibration=whole,
        limits=limits,
        promise=PROMISE,
        dominance=Dominance(len(rows), math.nan, math.nan, {}),
        classes=None,
        shown=examine([row_of[name] for name in named_in(worst(pieces))]),
        advice=[*NEXT, *(warning.text for warning in bundle.warnings)],
    )
