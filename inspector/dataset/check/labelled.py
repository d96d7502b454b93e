"""The pieces of a data set with their cameras, sensors and classes, as the checks see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fusion.certificate import independent
from inspector.bundle.schema import Modality
from inspector.dataset.labels import classes_of, modalities_of, units_of
from inspector.dataset.manifest import PieceRow, Split

SPLITS: tuple[Split, ...] = ("train", "calibration", "test")


class Labelled(Protocol):
    """A data set whose modality labels are known. A training infers some of them by its configuration."""

    @property
    def rows(self) -> Sequence[PieceRow]: ...

    @property
    def modalities(self) -> Sequence[Modality]: ...

    @property
    def classes(self) -> Sequence[str]: ...


@dataclass(frozen=True)
class LabelledRows:
    """The rows of a manifest as they are."""

    rows: Sequence[PieceRow]
    modalities: Sequence[Modality]
    classes: Sequence[str]

    @classmethod
    def of(cls, rows: Sequence[PieceRow]) -> "LabelledRows":
        """Raises ManifestError where a camera has several bit depths."""
        return cls(rows, modalities_of(rows), classes_of(rows))


def in_split(rows: Sequence[PieceRow], split: Split) -> list[PieceRow]:
    return [row for row in rows if row.split == split]


def num_parts(rows: Sequence[PieceRow], modalities: Sequence[Modality]) -> int:
    """Number of pieces that share no recording that shows the defect."""
    return len(independent([row.piece_id for row in rows], [units_of(row, modalities) for row in rows]))
