"""The pieces of a manifest by split, with their recordings, labels and targets."""

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from inspector.bundle.schema import Modality
from inspector.dataset.check.evidence import fewest_findings
from inspector.dataset.check.names import name_findings
from inspector.dataset.files import sources_of
from inspector.dataset.findings import Finding, errors
from inspector.dataset.good_class import with_good
from inspector.dataset.labels import classes_of, modalities_of, own_label
from inspector.dataset.manifest import Label, ManifestError, PieceRow, Split, read_manifest
from inspector.dataset.splits import demand_grouped_splits
from inspector.plausibility.sources import Watched
from inspector.training.config_check import modality_named
from inspector.training.data import Example, examples, targets_of
from inspector.training.framed import Framings, with_framings
from inspector.training.frames import Frames
from inspector.training.labels import ClassMap, mapped_classes, with_own_labels
from inspector.training.plausibility import with_plausibility


class Dataset:
    """Raises ManifestError where splits leak, or train or calibration lacks a label, a modality or a second group.

    `shows` maps each defect class to the modalities that it shows in: see inspector/training/labels.py. `cameras` says
    which part of their pictures is judged. `good` are classes that count as good; `soft`: uncertain pieces of the
    training split teach their probability.
    """

    def __init__(
        self,
        manifest: Path,
        shows: ClassMap | None = None,
        cameras: Framings | None = None,
        *,
        good: Sequence[str] = (),
        soft: bool = False,
    ) -> None:
        rows, shows = with_good(read_manifest(manifest), good), shows or {}
        self.soft = soft
        demand_grouped_splits(rows)
        _refuse(manifest, name_findings(rows))
        self.rows = with_own_labels(rows, modalities_of(rows), shows)
        modalities, self.classes = modalities_of(self.rows), classes_of(self.rows)
        mapped = [mapped_classes(modality, modalities, shows) for modality in modalities]
        self.modalities = with_framings(manifest, self.rows, mapped, cameras or {})
        _refuse(manifest, fewest_findings(self))
        self.root = manifest.parent
        self.examples = cache(self._examples)

    def split(self, split: Split) -> list[PieceRow]:
        return [row for row in self.rows if row.split == split]

    def labelled(self, split: Split) -> list[PieceRow]:
        return [row for row in self.split(split) if row.label != "unknown"]

    def modality(self, name: str) -> Modality:
        return modality_named(name, self.modalities)

    def with_plausibility(self, experts: Sequence[Watched]) -> tuple[Modality, ...]:
        """The modalities with plausibility limits, learned from the inputs of these experts."""
        return with_plausibility(self.root, self.split("train"), self.modalities, experts)

    def _examples(self, split: Split, name: str) -> dict[str, Example]:
        soft = self.soft and split == "train"
        return examples(self.root, self.split(split), self.modality(name), self.classes, soft=soft)

    def examples_of(self, splits: Sequence[Split], name: str) -> dict[str, Example]:
        """`examples` of several splits, one after the other: they share no recording."""
        return {path: example for split in splits for path, example in self.examples(split, name).items()}

    def frames(self, rows: Sequence[PieceRow], splits: Sequence[Split], name: str) -> list[Frames]:
        """Per piece, the indices of its recordings in `examples_of`."""
        order = {path: index for index, path in enumerate(self.examples_of(splits, name))}
        return [tuple(order[source.path] for source in sources_of(row, name)) for row in rows]

    def pieces_of(self, splits: Sequence[Split], name: str) -> tuple[Frames, ...]:
        """The sets of recordings that are judged together, without duplicates, in the order of `examples_of`."""
        rows = [row for split in splits for row in self.split(split)]
        return tuple(dict.fromkeys(frames for frames in self.frames(rows, splits, name) if frames))

    def targets(self, rows: Sequence[PieceRow], present: Sequence[str]) -> Float[Tensor, "P O"]:
        """Targets of pieces when only these modalities are present; NaN is unknown.

        With all modalities, the label of the piece. With some, the label of these alone where it is known: each
        modality then keeps its own meaning, so that noisy-or may combine them.
        """
        chosen = [modality for modality in self.modalities if modality.name in present]
        whole = len(chosen) == len(self.modalities)
        shown = set(self.classes) if whole else {name for modality in chosen for name in modality.classes}
        return torch.from_numpy(
            np.stack([targets_of(row, self._label(row, chosen), self.classes, tuple(shown)) for row in rows])
        )

    def _label(self, row: PieceRow, chosen: Sequence[Modality]) -> Label:
        labels = {own_label(row, modality) for modality in chosen}
        if len(chosen) == len(self.modalities) or None in labels or "unknown" in labels:
            return row.label
        return "nok" if "nok" in labels else "ok"


def _refuse(manifest: Path, findings: Iterable[Finding]) -> None:
    """Raises ManifestError with all errors."""
    wrong = errors(findings)
    if wrong:
        raise ManifestError("\n".join(f"{manifest}: {finding.text}" for finding in wrong))
