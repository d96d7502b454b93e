"""Compares a verdict's contributions per modality with truly leaving a modality out, with gate weights and labels.

Does not depend on the experts' inputs: neither maps nor signals.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import spearmanr

from fusion.calibration import Scores
from inspector.bundle.schema import Bundle
from inspector.dataset.labels import own_group, own_label
from inspector.dataset.manifest import PieceRow
from inspector.evaluation.observations import arrivals, without
from inspector.evaluation.recipes import recipe_for
from inspector.inference.examination import Examination
from inspector.inference.model import Model
from inspector.judging.routed_judge import RoutedJudge
from inspector.recipe.recipes import Recipes
from inspector.statistics.bootstrap import Interval, mean_by_group
from protos.inspection.v1 import verdict_pb2 as pb
from streams.observation import Observation


@dataclass(frozen=True)
class Contributions:
    """Over the verdicts that compare two modalities or more, as the bundle's policy routed them."""

    verdicts: int
    alone: int
    """Verdicts on one modality alone, which compare nothing."""
    largest_difference: float
    """Between a contribution and the log-odds that the piece loses when it comes without the modality."""
    gate_correlation: dict[str, float]
    """Spearman's, per modality, of contribution and gate weight; NaN where the gate's weight never changes."""
    blamed: int
    """Defective pieces with exactly one defective modality, by the modalities' labels."""
    contribution_blames: Interval
    """Share of these in which the defective modality has the largest contribution."""
    gate_blames: Interval
    """The same by the gate's weight."""


class JudgedPiece(NamedTuple):
    """One verdict that compares modalities."""

    row: PieceRow
    piece: Observation
    verdict: pb.Verdict


def contributions(model: Model, root: Path, rows: Sequence[PieceRow], seed: int) -> Contributions | None:
    """None where no verdict compares modalities."""
    recipe = recipe_for(model, rows, None).model_copy(update={"evidence": "always"})
    pieces = [piece.observed(recipe) for piece in arrivals(root, rows)]
    judge = RoutedJudge(Recipes([recipe]), {recipe.bundle: model}, clock_ns=lambda: 0)
    everything = [JudgedPiece(*parts) for parts in zip(rows, pieces, judge.judge(pieces), strict=True)]
    comparing = [judged for judged in everything if any(m.HasField("contribution") for m in judged.verdict.modalities)]
    if not comparing:
        return None
    blamed = [(judged, name) for judged in comparing for name in _sole_culprit(model.schema, judged.row)]
    groups = [_group(model.schema, judged.row, name) for judged, name in blamed]
    return Contributions(
        verdicts=len(comparing),
        alone=len(everything) - len(comparing),
        largest_difference=max(float(np.abs(_differences(model, judged)).max()) for judged in comparing),
        gate_correlation={m.name: _gate_correlation(comparing, m.name) for m in model.schema.modalities},
        blamed=len(blamed),
        contribution_blames=mean_by_group(
            [_largest(judged, "contribution") == name for judged, name in blamed], groups, seed
        ),
        gate_blames=mean_by_group([_largest(judged, "gate_weight") == name for judged, name in blamed], groups, seed),
    )


def _differences(model: Model, judged: JudgedPiece) -> Scores:
    """Per modality: the verdict's contribution minus the change of the log-odds when its recording is left out."""
    ran = {run.expert for run in judged.verdict.experts if run.ran}
    temperature = model.calibrations[frozenset(ran)].temperature
    whole = _log_odds(model, judged.piece, ran)
    return np.array(
        [
            m.contribution - (whole - _log_odds(model, without(judged.piece, m.name), ran)) / temperature
            for m in judged.verdict.modalities
            if m.HasField("contribution")
        ]
    )


def _log_odds(model: Model, piece: Observation, ran: set[str]) -> float:
    """The head's log-odds after the same experts examine the modalities that the piece still has."""
    examination = Examination(model, [piece], max_batch=1)
    for expert in model.schema.experts:
        if expert.name in ran and expert.modality in examination.present[0]:
            examination.run_expert(expert, [0])
    (fused,) = examination.fuse([0])
    return np.nan if fused is None else float(fused.logits[0])


def _gate_correlation(comparing: Sequence[JudgedPiece], modality: str) -> float:
    modalities = [
        m
        for judged in comparing
        for m in judged.verdict.modalities
        if m.name == modality and m.HasField("contribution")
    ]
    gates, adds = np.array([m.gate_weight for m in modalities]), np.array([m.contribution for m in modalities])
    if len(modalities) < 2 or np.ptp(gates) < 1e-6 or np.ptp(adds) < 1e-6:
        return np.nan
    return float(spearmanr(gates, adds).statistic)


def _sole_culprit(schema: Bundle, row: PieceRow) -> list[str]:
    """The one defective modality of a piece; none where there are more or a label is not known."""
    labels = {modality.name: own_label(row, modality) for modality in schema.modalities}
    bad = [name for name, label in labels.items() if label == "nok"]
    return bad if len(bad) == 1 and set(labels.values()) == {"ok", "nok"} else []


def _group(schema: Bundle, row: PieceRow, modality: str) -> str:
    return own_group(row, next(m for m in schema.modalities if m.name == modality))


def _largest(judged: JudgedPiece, figure: str) -> str:
    largest: pb.Modality = max(judged.verdict.modalities, key=lambda m: float(getattr(m, figure)))
    return largest.name
