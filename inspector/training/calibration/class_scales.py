"""Calibrates classes: one scale for the classes that the same cameras and sensors show, and one for each class near it.

Each class is drawn to the shared scale in proportion to its independent parts; one with too few keeps the shared scale.
Fitted on good pieces and on pieces that name their classes. Letters: P pieces, K classes.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from fusion.calibration import Labels, Scores
from fusion.scored import ExpertSet
from inspector.bundle.schema import Calibration, ClassScale, Modality
from inspector.dataset.check.labelled import num_parts
from inspector.dataset.labels import units_of
from inspector.dataset.manifest import PieceRow
from inspector.training.calibration.scales import SURE, Prior, Scale, fit_scale
from inspector.training.calibration.units import num_units
from inspector.training.dataset import Dataset
from inspector.training.head.scores import Fusion

ENOUGH_PARTS = 10
"""Least independent parts with a class, and without it: with fewer it keeps the scale of all classes."""
WEAK = Prior(1.0, 0.0, 3.0, 3.0)
"""Of the shared scale: log-odds of networks need a slope of 1, margins of kernel machines one of 2 to 5."""
SLOPE_ERROR, BIAS_ERROR = 0.2, 0.3
"""Of a class about the shared scale, as of a set of experts about theirs; the slope's is relative."""


class _Evidence(NamedTuple):
    """Pieces by which one class is calibrated."""

    logits: Scores
    shows: Labels
    """Whether the piece has the class."""
    weights: Scores
    """Together as many as the pieces are independent."""
    parts: int
    """Independent parts that show the class."""
    others: int
    """Independent parts that do not."""


def with_class_scales(
    calibrations: Mapping[ExpertSet, Calibration], dataset: Dataset, fusion: Fusion
) -> dict[ExpertSet, Calibration]:
    """Adds the scale of every class to the calibration of each set of experts."""
    present_PE = fusion.head_data.encodings.present
    completed = dict(calibrations)
    for names, ran_E, logits_PK in zip(fusion.sets, fusion.head_data.sets, fusion.class_logits(), strict=True):
        able = (present_PE[:, ran_E > 0] > 0).all(1).numpy()
        scales = class_scales(fusion.rows, logits_PK.double().numpy(), able, dataset.classes, dataset.modalities)
        completed[names] = calibrations[names].model_copy(update={"class_scales": scales})
    return completed


def class_scales(
    rows: Sequence[PieceRow], logits_PK: Scores, able: Labels, classes: Sequence[str], modalities: Sequence[Modality]
) -> dict[str, ClassScale]:
    """By class; `able`: pieces that the experts can score."""
    has_known_classes = np.array([row.label == "ok" or bool(row.defects) for row in rows], np.bool_)
    shown_by = {name: tuple(m for m in modalities if name in m.classes) or tuple(modalities) for name in classes}
    evidence = {
        name: _evidence(name, rows, logits, able & has_known_classes & ~np.isnan(logits), shown_by[name])
        for name, logits in zip(classes, logits_PK.T, strict=True)
    }
    shared = {
        name: _shared([evidence[other] for other in classes if shown_by[other] == shown_by[name]]) for name in classes
    }
    return {name: _scale(of_class, shared[name]) for name, of_class in evidence.items()}


def _evidence(
    name: str, rows: Sequence[PieceRow], logits: Scores, able: Labels, modalities: Sequence[Modality]
) -> _Evidence:
    """`modalities`: those that can show the class; only their recordings count, for others say nothing about it."""
    scored_rows = [rows[index] for index in np.flatnonzero(able).tolist()]
    shows = np.array([name in row.defects for row in scored_rows], np.bool_)
    units = [units_of(row, modalities) for row in scored_rows]
    weight = num_units(units, np.ones(len(scored_rows), np.bool_)) / max(len(scored_rows), 1)
    with_class, without_class = (
        [row for row in scored_rows if (name in row.defects) is side] for side in (True, False)
    )
    return _Evidence(
        logits[able].clip(-SURE, SURE),
        shows,
        np.full(len(scored_rows), weight),
        num_parts(with_class, modalities),
        num_parts(without_class, modalities),
    )


def _shared(evidence: Sequence[_Evidence]) -> Scale:
    """Of these classes together."""
    if not any(of_class.shows.any() for of_class in evidence):
        return Scale(WEAK.slope, WEAK.bias, WEAK.slope_error, WEAK.bias_error)
    logits = np.concatenate([of_class.logits for of_class in evidence])
    shows = np.concatenate([of_class.shows for of_class in evidence])
    weights = np.concatenate([of_class.weights for of_class in evidence])
    return fit_scale(logits, shows.astype(np.float64), weights, WEAK)


def _scale(evidence: _Evidence, shared: Scale) -> ClassScale:
    if min(evidence.parts, evidence.others) < ENOUGH_PARTS:
        return ClassScale(slope=shared.slope, bias=shared.bias, parts=evidence.parts, shared=True)
    prior = Prior(shared.slope, shared.bias, SLOPE_ERROR * shared.slope, BIAS_ERROR)
    own = fit_scale(evidence.logits, evidence.shows.astype(np.float64), evidence.weights, prior)
    return ClassScale(slope=own.slope, bias=own.bias, parts=evidence.parts, shared=False)
