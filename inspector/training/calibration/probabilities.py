"""Calibrates the log-odds of single experts, where the evidence is sufficient, and says what is calibrated.

Uses Platt's sigmoid on pieces that the encoders have not seen.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from fusion.calibration import Labels, Scores, fit
from fusion.scored import Scored
from inspector.bundle.schema import Calibration, Modality, Platt
from inspector.dataset.files import sources_of
from inspector.dataset.labels import own_group, own_label
from inspector.dataset.manifest import PieceRow
from inspector.training.dataset import Dataset
from inspector.training.experts.selection import SelectedExpert

ENOUGH_PARTS = 10
"""Least independent parts with a defect, and without: fewer would give overconfident probabilities."""


class ExpertPlatts(NamedTuple):
    """By expert; each is in one of them, or in neither where no recording of one label is known."""

    own: dict[str, Platt]
    rough: dict[str, Platt]
    """Of too little evidence to be shown; bounds the scores of classes."""


def expert_calibrations(dataset: Dataset, selected: Sequence[SelectedExpert], scored: Scored) -> ExpertPlatts:
    """Against the label of the expert's modality or else of the piece; repeated recordings count once."""
    by_id = {row.piece_id: row for row in dataset.rows}
    rows = [by_id[piece_id] for piece_id in scored.piece_ids]
    found = ExpertPlatts({}, {})
    for expert in selected:
        logits = scored.expert_logits[scored.experts.index(expert.expert.name)]
        modality = dataset.modality(expert.expert.modality)
        platt, rough = (_of_recordings(rows, logits, modality, fewest) for fewest in (ENOUGH_PARTS, 1))
        if platt is not None:
            found.own[expert.expert.name] = platt
        elif rough is not None:
            found.rough[expert.expert.name] = rough
    return found


def _of_recordings(
    rows: Sequence[PieceRow], logits: Scores, modality: Modality, fewest: int = ENOUGH_PARTS
) -> Platt | None:
    """`fewest`: least independent groups of each label; with fewer None."""
    labels = [own_label(row, modality) or row.label for row in rows]
    known = [i for i, label in enumerate(labels) if label != "unknown" and not np.isnan(logits[i])]
    groups = {label: {own_group(rows[i], modality) for i in known if labels[i] == label} for label in ("ok", "nok")}
    if min(map(len, groups.values())) < fewest:
        return None
    paths = ["/".join(source.path for source in sources_of(rows[i], modality.name)) for i in known]
    times = Counter(paths)
    weights = np.array([1 / times[path] for path in paths])
    return _platt(logits[known], np.array([labels[i] == "nok" for i in known]), weights)


def _platt(logits: Scores, labels: Labels, weights: Scores) -> Platt:
    fitted = fit(logits, labels, weights)
    return Platt(temperature=fitted.temperature, bias=fitted.bias)


def probability_lines(
    classes: Sequence[str], whole: Calibration, experts: Sequence[str], by_expert: Mapping[str, Platt]
) -> list[str]:
    """Lines of the model card that list which figures of a verdict are probabilities, and which are raw."""
    calibrated = [name for name in classes if name in whole.class_scales and not whole.class_scales[name].shared]
    raw = [f"{name} ({_parts(whole, name)})" for name in classes if name not in calibrated]
    lines = [f"- Probabilities of classes: {', '.join(calibrated)}."] if calibrated else []
    if raw:
        lines.append(
            f"- Raw scores of classes, by the scale of all alike since fewer than {ENOUGH_PARTS} independent parts "
            f"show them: {', '.join(raw)}."
        )
    return lines + _expert_lines(experts, by_expert)


def _parts(whole: Calibration, name: str) -> int:
    return whole.class_scales[name].parts if name in whole.class_scales else 0


def _expert_lines(experts: Sequence[str], known: Mapping[str, Platt]) -> list[str]:
    calibrated, raw = ([name for name in experts if (name in known) is side] for side in (True, False))
    lines = [f"- Probabilities of experts: {', '.join(calibrated)}."] if calibrated else []
    if raw:
        lines.append(
            f"- Raw scores of experts, with fewer than {ENOUGH_PARTS} independent parts with or without the defect: "
            f"{', '.join(raw)}."
        )
    return lines
