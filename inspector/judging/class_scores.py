"""Scores the defect classes of one piece, within the bounds of `fusion.class_scores`."""

from collections.abc import Collection, Sequence

from fusion.calibration import probability
from fusion.class_scores import class_score
from inspector.bundle.schema import Bundle, Calibration, Expert
from inspector.inference.examination import Examination, Fused
from protos.inspection.v1 import verdict_pb2 as pb


def class_scores(
    examination: Examination, row: int, fused: Fused | None, calibration: Calibration | None, score: float | None
) -> tuple[pb.ClassProbability, ...]:
    """One entry for each class of the bundle; one without a figure was not examined: nothing that can show it was."""
    schema, examined = examination.model.schema, examination.examined(row)
    carriers = _carriers(schema)
    entries = []
    for index, name in enumerate(schema.classes, start=1):
        entry = pb.ClassProbability(name=name)
        if fused is not None and (carriers[name] & examined or not carriers[name]):
            logit = float(fused.logits[index])
            if calibration is None or score is None or not calibration.class_scales:
                _score_as_before(entry, logit, calibration)
            else:
                _score(entry, logit, calibration, score, _bound(examination, row, carriers[name]))
        entries.append(entry)
    return tuple(entries)


def _carriers(schema: Bundle) -> dict[str, frozenset[str]]:
    """By class, the modalities that can show it; empty for a class of none: nobody knows where it shows."""
    return {name: frozenset(m.name for m in schema.modalities if name in m.classes) for name in schema.classes}


def _score(
    entry: pb.ClassProbability, logit: float, calibration: Calibration, score: float, bound: list[float] | None
) -> None:
    scale = calibration.class_scales.get(entry.name)
    if scale is None:
        return
    value = class_score(probability(logit, 1 / scale.slope, scale.bias), score, bound)
    if scale.shared:
        entry.raw_score = value
    else:
        entry.probability = value


def _score_as_before(entry: pb.ClassProbability, logit: float, calibration: Calibration | None) -> None:
    """Of bundles without scales of classes."""
    known = None if calibration is None else calibration.classes.get(entry.name)
    if known is None:
        entry.raw_score = probability(logit, 1.0, 0.0)
    else:
        entry.probability = probability(logit, known.temperature, known.bias)


def _bound(examination: Examination, row: int, carriers: frozenset[str]) -> list[float] | None:
    """Probability that the recording of each of these is defective; None where that bounds nothing."""
    everything = {modality.name for modality in examination.model.schema.modalities}
    if not carriers or carriers >= everything or not carriers <= examination.examined(row):
        return None
    chances = [_own_chance(examination, row, name) for name in sorted(carriers)]
    return None if None in chances else [chance for chance in chances if chance is not None]


def _own_chance(examination: Examination, row: int, modality: str) -> float | None:
    expert = primary_expert(examination, row, modality)
    platt = None if expert is None else expert.calibration or expert.rough_calibration
    if expert is None or platt is None:
        return None
    return probability(examination.expert_outputs[row][expert.name].defect_logit, platt.temperature, platt.bias)


def primary_expert(examination: Examination, row: int, modality: str) -> Expert | None:
    """The most expensive expert that ran on this modality, preferring non-scouts; None where none ran."""
    return primary_of(examination.model.schema.experts, examination.expert_outputs[row].keys(), modality)


def primary_of(experts: Sequence[Expert], ran: Collection[str], modality: str) -> Expert | None:
    """The same of experts that ran, by name."""
    seen = [expert for expert in experts if expert.modality == modality and expert.name in ran]
    return max(seen, key=lambda expert: (not expert.scout, expert.cost_ms), default=None)
