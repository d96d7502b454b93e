"""Infers labels per modality from the defects of a piece, by `[labels]` in the configuration.

A piece is nok in a modality if one of its defects shows there, ok if all of its defects show elsewhere, and unknown
if one of its defects is not in the map. Labels of the manifest stay unchanged.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence

from inspector.bundle.schema import Modality
from inspector.dataset.labels import own_label
from inspector.dataset.manifest import Label, ManifestError, PieceRow

ClassMap = Mapping[str, Sequence[str]]
"""By defect class, the modalities that show it: names of cameras and sensors, `image` or `signal`."""


def with_own_labels(rows: Sequence[PieceRow], modalities: Sequence[Modality], shows: ClassMap) -> list[PieceRow]:
    """Raises ManifestError for a class or a modality that the manifest does not have."""
    if not shows:
        return list(rows)
    named = _by_name(modalities, shows)
    _refuse_unknown("class", shows, sorted({name for row in rows for name in row.defects}))
    return [_labelled(row, modalities, named) for row in rows]


def mapped_classes(modality: Modality, modalities: Sequence[Modality], shows: ClassMap) -> Modality:
    """The modality with the classes that the map gives it, plus its own classes that are not in the map."""
    named = _by_name(modalities, shows)
    kept = {name for name in modality.classes if name not in named}
    classes = kept | {name for name, places in named.items() if modality.name in places}
    return modality.model_copy(update={"classes": tuple(sorted(classes))})


def _by_name(modalities: Sequence[Modality], shows: ClassMap) -> dict[str, frozenset[str]]:
    names = [modality.name for modality in modalities]
    general = {
        "image": [modality.name for modality in modalities if modality.kind == "image"],
        "signal": [modality.name for modality in modalities if modality.kind != "image"],
    }
    places = {name: [name] for name in names}
    known = {**general, **places}
    _refuse_unknown("camera or sensor", (place for shown_in in shows.values() for place in shown_in), sorted(known))
    return {name: frozenset(one for place in shown_in for one in known[place]) for name, shown_in in shows.items()}


def _labelled(row: PieceRow, modalities: Sequence[Modality], named: Mapping[str, frozenset[str]]) -> PieceRow:
    missing = {m.name: _inferred(row, m.name, named) for m in modalities if own_label(row, m) is None}
    return row.model_copy(update={"modality_labels": {**row.modality_labels, **missing}}) if missing else row


def _inferred(row: PieceRow, modality: str, named: Mapping[str, frozenset[str]]) -> Label:
    if row.label != "nok":
        return row.label
    if any(modality in named.get(name, ()) for name in row.defects):
        return "nok"
    return "ok" if row.defects and all(name in named for name in row.defects) else "unknown"


def _refuse_unknown(kind: str, names: Iterable[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"the manifest has {', '.join(known) or 'none'}"
            raise ManifestError(f"[labels] names the {kind} {name!r}, which the manifest does not have: {hint}")
