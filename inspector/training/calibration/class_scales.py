"""Calibrates classes: how likely a defective piece has a class, by the head's log-odds of the class.

Fitted on pieces of which a recording that can show the class is defective, and which name their classes. All classes
together give one scale; each class is drawn to it in proportion to its independent parts. A class with too few keeps
the shared scale. Letters: P pieces, K classes.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from fusion.calibration import Labels, Scores
from fusion.scored import ExpertSet
from inspector.bundle.schema import Calibration, ClassScale, Modality
from inspector.dataset.check.labelled import num_parts
from inspector.dataset.labels import own_label, units_of
from inspector.dataset.manifest import PieceRow
from inspector.training.calibration.scales import SURE, Prior, Scale, fit_scale
from inspector.training.calibration.units import num_units
from inspector.training.dataset import Dataset
from inspector.training.head.scores import Fusion

ENOUGH_PARTS = 10
"""Least independent parts that show a class: with fewer it keeps the scale of all classes."""
WEAK = Prior(1.0, 0.0, 1.0, 1.0)
"""Of the shared scale. Margins of kernel machines need a slope of 2 to 4, log-odds of networks of 1."""
SLOPE_ERROR, BIAS_ERROR = 0.3, 1.0
"""Of a class about the shared scale: classes differ in how frequent they are more than in their slope. The slope's is
relative."""


class _Evidence(NamedTuple):
    """Defective pieces by which one class is calibrated."""

    logits: Scores
    shows: Labels
    """Whether the piece has the class."""
    weights: Scores
    """Together as many as the pieces are independent."""
    parts: int
    """Independent parts that show the class."""


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
    found = {
        name: _evidence(name, rows, logits, able & ~np.isnan(logits), modalities)
        for name, logits in zip(classes, logits_PK.T, strict=True)
    }
    shared = _shared([*found.values()])
    return {name: _scale(evidence, shared) for name, evidence in found.items()}


def _evidence(
    name: str, rows: Sequence[PieceRow], logits: Scores, able: Labels, modalities: Sequence[Modality]
) -> _Evidence:
    carriers = [modality for modality in modalities if name in modality.classes]
    chosen = [index for index, row in enumerate(rows) if able[index] and _is_bad(row, carriers, modalities)]
    shows = np.array([name in rows[index].defects for index in chosen], np.bool_)
    units = [units_of(rows[index], modalities) for index in chosen]
    weight = num_units(units, np.ones(len(chosen), np.bool_)) / max(len(chosen), 1)
    showing = [rows[index] for index in chosen if name in rows[index].defects]
    values = logits[chosen].clip(-SURE, SURE)
    return _Evidence(values, shows, np.full(len(chosen), weight), num_parts(showing, modalities))


def _is_bad(row: PieceRow, carriers: Sequence[Modality], modalities: Sequence[Modality]) -> bool:
    """Whether a recording that can show the class is defective, in a piece that names its classes."""
    if row.label != "nok" or not row.defects:
        return False
    if not carriers or len(carriers) == len(modalities):
        return True
    return any((own_label(row, modality) or row.label) == "nok" for modality in carriers)


def _shared(found: Sequence[_Evidence]) -> Scale:
    """Of all classes together; a piece counts once for all of them."""
    if not any(len(each.logits) for each in found):
        return Scale(WEAK.slope, WEAK.bias, WEAK.slope_error, WEAK.bias_error)
    logits = np.concatenate([each.logits for each in found])
    shows = np.concatenate([each.shows for each in found])
    weights = np.concatenate([each.weights for each in found])
    return fit_scale(logits, shows.astype(np.float64), weights, WEAK)


def _scale(evidence: _Evidence, shared: Scale) -> ClassScale:
    if evidence.parts < ENOUGH_PARTS:
        return ClassScale(slope=shared.slope, bias=shared.bias, parts=evidence.parts, shared=True)
    prior = Prior(shared.slope, shared.bias, SLOPE_ERROR * shared.slope, BIAS_ERROR)
    own = fit_scale(evidence.logits, evidence.shows.astype(np.float64), evidence.weights, prior)
    return ClassScale(slope=own.slope, bias=own.bias, parts=evidence.parts, shared=False)
