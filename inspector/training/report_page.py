"""Turns a training into the content of a report: scores of pieces that no encoder had seen, decided by the bundle."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fusion.calibration import Scores, probability
from fusion.policy import routed
from fusion.scored import ExpertSet
from inspector.bundle.schema import Calibration
from inspector.dataset.manifest import PieceRow
from inspector.dataset.progress import Count
from inspector.evaluation.dominance import Dominance
from inspector.evaluation.outcomes import outcome_of
from inspector.evaluation.run import Examined, Shown, open_bundle
from inspector.recipe.decision import DecisionResult, Limits
from inspector.recipe.thresholds import certificate_words
from inspector.report.content import ChoiceRow, Content, ReportedPiece, ScoreCurve
from inspector.report.next_steps import limit_steps
from inspector.report.worst import named_in, worst
from inspector.statistics.bootstrap import NUM_DRAWS, Interval, unit_weights
from inspector.statistics.classification import certainty
from inspector.statistics.evidence import Choice
from inspector.training.calibration.certify import routed_scores
from inspector.training.card import ModelCardData
from inspector.training.dataset import Dataset
from inspector.training.dominance import decisions_of, expert_sets_of
from inspector.training.judged import Judged
from inspector.verdicts.words import enum_word
from protos.inspection.v1 import verdict_pb2 as pb


@dataclass(frozen=True, eq=False)
class Trained:
    """What a training knows of its pieces, for its report."""

    title: str
    dataset: Dataset
    judged: Judged
    card: ModelCardData
    shares: Dominance


Examine = Callable[[Sequence[PieceRow]], Mapping[str, Shown]]
"""Examines pieces again for their evidence; by piece id."""


def training_content(trained: Trained, examine: Examine) -> Content:
    """`examine` gets the worst pieces: see `examined_by`."""
    judged, scored = trained.judged, trained.judged.scored
    experts = [entry.expert for entry in judged.selected]
    ran = routed(judged.choice.policy, experts, scored, judged.calibrations)
    scores = routed_scores(scored, ran, judged.calibrations)
    whole = judged.calibrations[frozenset(scored.experts)]
    sets = expert_sets_of(trained.dataset, experts)
    decisions = decisions_of(scored, ran, judged.calibrations, sets)
    pieces = _pieces(trained, decisions, scores)
    row_of = {piece.row.piece_id: piece.row for piece in pieces}
    card = trained.card
    return Content(
        title=trained.title,
        about=_about(trained),
        pieces=pieces,
        outcome=outcome_of([each.decision for each in decisions], scored.labels, scored.units),
        curves=list(_curves(judged, scores, whole, sets)),
        calibration=whole,
        limits=_limits(whole),
        promise=certificate_words(judged.certificate),
        dominance=trained.shares,
        classes=card.by_class,
        about_classes="Of the pieces that the head was judged on, as all experts together would decide them.",
        shown=examine([row_of[name] for name in named_in(worst(pieces))]),
        advice=list(_advice(card, whole)),
        choices=[choice_row(choice) for choice in card.choices],
        notes=[line.removeprefix("- ") for line in (*card.limits, *card.routing, *card.probabilities)],
    )


def _advice(card: ModelCardData, whole: Calibration) -> Iterator[str]:
    """The warnings, and what the limits lack where no warning says it."""
    yield from (warning.text for warning in card.warnings)
    if not any(warning.kind == "limits" for warning in card.warnings):
        yield from limit_steps(whole)


def _about(trained: Trained) -> tuple[str, ...]:
    scored = trained.judged.scored
    unseen, total, bad = int(scored.unseen.sum()), len(scored.labels), int(scored.labels.sum())
    return (
        f"{total} pieces of train and calibration, {bad} defective, each scored by encoders that had not seen it: "
        f"{total - unseen} out of fold, {unseen} because they are in calibration.",
        "No test: limits and routes were chosen on these pieces. `inspector evaluate BUNDLE MANIFEST --report FOLDER` "
        "writes the same report for the test split.",
        "Pictures of evidence come from the bundle itself, whose encoders may have seen the piece.",
    )


def _pieces(trained: Trained, decisions: Sequence[DecisionResult], scores: Scores) -> list[ReportedPiece]:
    scored = trained.judged.scored
    by_id = {row.piece_id: row for row in trained.dataset.rows}
    return [
        ReportedPiece(
            by_id[piece_id],
            enum_word(pb.Decision, decision.decision),
            enum_word(pb.DecisionReason, decision.reason),
            None if np.isnan(score) else score,
            units,
        )
        for piece_id, decision, score, units in zip(
            scored.piece_ids, decisions, scores.tolist(), scored.units, strict=True
        )
    ]


def _curves(judged: Judged, scores: Scores, whole: Calibration, sets: Mapping[str, ExpertSet]) -> Iterator[ScoreCurve]:
    scored, all_experts = judged.scored, frozenset(judged.scored.experts)
    curves = {"routed": (scores, whole), "fused": (_calibrated(judged, all_experts), whole)}
    curves |= {
        f"{name} alone": (_calibrated(judged, names), judged.calibrations[names]) for name, names in sets.items()
    }
    for name, (values, calibration) in curves.items():
        known = ~np.isnan(values)
        labels = scored.labels[known]
        if labels.any() and not labels.all():
            units = [unit for unit, is_known in zip(scored.units, known, strict=True) if is_known]
            yield ScoreCurve(name, values, _area(values[known], labels, units), _limits(calibration))


def _area(scores: Scores, labels: "np.ndarray[tuple[int], np.dtype[np.bool_]]", units: Sequence[ExpertSet]) -> Interval:
    return certainty(scores, labels, unit_weights(units, NUM_DRAWS, seed=0)).auc


def _calibrated(judged: Judged, experts: ExpertSet) -> Scores:
    calibration = judged.calibrations[experts]
    return probability(judged.scored.of(experts), calibration.temperature, calibration.bias)


def _limits(calibration: Calibration) -> Limits:
    return Limits(calibration.pass_below, calibration.fail_above)


def examined_by(bundle: Path, root: Path, progress: Count) -> Examine:
    """By a written bundle; `progress` counts the pieces."""

    def examine(rows: Sequence[PieceRow]) -> Mapping[str, Shown]:
        if not rows:
            return {}
        examined = Examined(open_bundle(bundle), root, rows, progress)
        return {row.piece_id: examined.shown(index) for index, row in enumerate(rows)}

    return examine


def choice_row(choice: Choice) -> ChoiceRow:
    gain = "not compared" if choice.gain is None else f"{choice.gain.alternative} gains {choice.gain} in {choice.unit}"
    return ChoiceRow(choice.subject, choice.chosen, choice.alternative, gain, choice.groups, choice.reason)
