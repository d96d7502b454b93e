"""Calibrates the log-odds of single experts and of classes, where the evidence is sufficient.

Uses Platt's sigmoid on pieces that the encoders have not seen. Letters: P pieces, E experts, K classes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from fusion.calibration import Labels, Scores, fit
from fusion.scored import ExpertSet, Scored
from inspector.bundle.schema import Calibration, Modality, Platt
from inspector.dataset.check.labelled import num_parts
from inspector.dataset.files import sources_of
from inspector.dataset.labels import own_group, own_label
from inspector.dataset.manifest import PieceRow
from inspector.training.dataset import Dataset
from inspector.training.experts.selection import SelectedExpert
from inspector.training.head.scores import Fusion

ENOUGH_PARTS = 10
"""Least independent parts with a defect, and without: fewer would give overconfident probabilities."""


def expert_calibrations(dataset: Dataset, selected: Sequence[SelectedExpert], scored: Scored) -> dict[str, Platt]:
    """By expert, against the label of its modality or else of the piece; repeated recordings count once."""
    by_id = {row.piece_id: row for row in dataset.rows}
    rows = [by_id[piece_id] for piece_id in scored.piece_ids]
    calibrations = {}
    for expert in selected:
        logits = scored.expert_logits[scored.experts.index(expert.expert.name)]
        platt = _of_recordings(rows, logits, dataset.modality(expert.expert.modality))
        if platt is not None:
            calibrations[expert.expert.name] = platt
    return calibrations


def _of_recordings(rows: Sequence[PieceRow], logits: Scores, modality: Modality) -> Platt | None:
    labels = [own_label(row, modality) or row.label for row in rows]
    known = [i for i, label in enumerate(labels) if label != "unknown" and not np.isnan(logits[i])]
    groups = {label: {own_group(rows[i], modality) for i in known if labels[i] == label} for label in ("ok", "nok")}
    if min(map(len, groups.values())) < ENOUGH_PARTS:
        return None
    paths = ["/".join(source.path for source in sources_of(rows[i], modality.name)) for i in known]
    times = Counter(paths)
    weights = np.array([1 / times[path] for path in paths])
    return _platt(logits[known], np.array([labels[i] == "nok" for i in known]), weights)


def with_classes(
    calibrations: Mapping[ExpertSet, Calibration], dataset: Dataset, fusion: Fusion
) -> dict[ExpertSet, Calibration]:
    """Adds a sigmoid per class to the calibration of each set of experts. Pieces that name no class are left out."""
    named = np.array([row.label == "ok" or bool(row.defects) for row in fusion.rows])
    present_PE = fusion.head_data.encodings.present
    completed = dict(calibrations)
    for names, ran_E, logits_PK in zip(fusion.sets, fusion.head_data.sets, fusion.class_logits(), strict=True):
        able = named & (present_PE[:, ran_E > 0] > 0).all(1).numpy()
        columns = zip(dataset.classes, logits_PK.T.double().numpy(), strict=True)
        platts = {name: _of_class(name, fusion.rows, values, able, dataset.modalities) for name, values in columns}
        classes = {name: values for name, values in platts.items() if values is not None}
        completed[names] = calibrations[names].model_copy(update={"classes": classes})
    return completed


def _of_class(
    name: str, rows: Sequence[PieceRow], logits: Scores, able: Labels, modalities: Sequence[Modality]
) -> Platt | None:
    chosen: list[int] = np.flatnonzero(able).tolist()
    labels = np.array([name in rows[i].defects for i in chosen], np.bool_)
    sides = [[rows[i] for i, shows in zip(chosen, labels, strict=True) if shows == side] for side in (True, False)]
    if min(num_parts(side, modalities) for side in sides) < ENOUGH_PARTS:
        return None
    return _platt(logits[chosen], labels, np.ones(len(chosen)))


def _platt(logits: Scores, labels: Labels, weights: Scores) -> Platt:
    fitted = fit(logits, labels, weights)
    return Platt(temperature=fitted.temperature, bias=fitted.bias)


def probability_lines(
    classes: Sequence[str], whole: Calibration, experts: Sequence[str], by_expert: Mapping[str, Platt]
) -> list[str]:
    """Lines of the model card that list which figures of a verdict are probabilities, and which are raw."""
    lines = []
    for kind, names, known in (("classes", classes, whole.classes), ("experts", experts, by_expert)):
        calibrated, raw = ([n for n in names if (n in known) is side] for side in (True, False))
        if calibrated:
            lines.append(f"- Probabilities of {kind}: {', '.join(calibrated)}.")
        if raw:
            lines.append(
                f"- Raw scores of {kind}, with fewer than {ENOUGH_PARTS} independent parts with or without the defect: "
                f"{', '.join(raw)}."
            )
    return lines
