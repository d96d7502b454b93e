"""Figures by defect class of a training: what all experts would say of pieces that they have not seen.

Letters: P pieces, K classes, E experts.
"""

from collections.abc import Sequence

import numpy as np

from fusion.calibration import probability
from fusion.class_scores import class_score
from fusion.scored import ExpertSet
from inspector.bundle.schema import Calibration, Modality, Platt
from inspector.dataset.labels import units_of
from inspector.evaluation.class_figures import ClassReport, JudgedPiece, class_report
from inspector.recipe.decision import Limits, decide
from inspector.training.dataset import Dataset
from inspector.training.judged import Judged
from inspector.verdicts.defects import named_defects
from inspector.verdicts.words import enum_word
from protos.inspection.v1 import verdict_pb2 as pb


def trained_class_report(dataset: Dataset, judged: Judged) -> ClassReport | None:
    """Of the pieces that the head was judged on and that have every recording; None without classes."""
    if not dataset.classes:
        return None
    everyone = frozenset(entry.expert.name for entry in judged.selected)
    scored, calibration = judged.scored, judged.calibrations[everyone]
    number = {piece_id: index for index, piece_id in enumerate(scored.piece_ids)}
    logits, class_logits_PK = scored.of(everyone), _class_logits(judged, everyone)
    pieces = []
    for index, row in enumerate(judged.fusion.rows):
        place = number.get(row.piece_id)
        if place is None or np.isnan(logits[place]):
            continue
        score = probability(float(logits[place]), calibration.temperature, calibration.bias)
        decision = decide(score, Limits(calibration.pass_below, calibration.fail_above), ()).decision
        chances = _own_chances(judged, place)
        classes = _classes(dataset, calibration, class_logits_PK[index], score, chances)
        named = named_defects(decision, score, classes)
        word, units = enum_word(pb.Decision, decision), units_of(row, dataset.modalities)
        pieces.append(JudgedPiece(row.piece_id, row.label, row.defects, units, word, tuple(named)))
    return class_report(pieces, dataset.classes)


def _class_logits(judged: Judged, everyone: ExpertSet) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return judged.fusion.class_logits()[judged.fusion.sets.index(everyone)].double().numpy()


def _classes(
    dataset: Dataset, calibration: Calibration, logits_K: Sequence[float], score: float, chances: dict[str, float]
) -> list[pb.ClassProbability]:
    entries = []
    for name, logit in zip(dataset.classes, logits_K, strict=True):
        scale = calibration.class_scales[name]
        bound = _bound(name, dataset.modalities, chances)
        value = class_score(probability(float(logit), 1 / scale.slope, scale.bias), score, bound)
        entries.append(pb.ClassProbability(name=name, probability=value))
    return entries


def _bound(name: str, modalities: Sequence[Modality], chances: dict[str, float]) -> list[float] | None:
    carriers = [modality.name for modality in modalities if name in modality.classes]
    if not carriers or len(carriers) == len(modalities) or not {*carriers} <= chances.keys():
        return None
    return [chances[name] for name in carriers]


def _own_chances(judged: Judged, place: int) -> dict[str, float]:
    """By modality, the probability that its recording is defective, by its most thorough expert."""
    known: dict[str, Platt] = judged.rough_calibrations | judged.own_calibrations
    chances = {}
    for entry in sorted(judged.selected, key=lambda entry: (not entry.expert.scout, entry.cost_ms)):
        platt = known.get(entry.expert.name)
        logit = judged.scored.expert_logits[judged.scored.experts.index(entry.expert.name), place]
        if platt is not None and not np.isnan(logit):
            chances[entry.expert.modality] = probability(float(logit), platt.temperature, platt.bias)
    return chances
