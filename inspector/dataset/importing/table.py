"""A CSV table of labels: a row a piece, with the paths of its recordings."""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from inspector.dataset.importing.good import good_classes, labelled
from inspector.dataset.importing.items import DataImportError, Item
from inspector.dataset.manifest import ManifestError, read_text

_SEPARATORS = ",;\t|"
_MAX_ROWS = 1_000_000
_BETWEEN = "|"
"""Between several classes in one cell."""


@dataclass(frozen=True)
class Columns:
    """Names of columns in the table."""

    files: Mapping[str, str]
    """By name of the camera or sensor: the column with the path of its recording."""
    label: str
    """Column of ok and nok, or of classes."""
    defects: str | None = None
    piece: str | None = None
    groups: Sequence[str] = ()
    product: str | None = None

    def all(self) -> list[str]:
        others = (self.label, self.defects, self.piece, self.product)
        return [*self.files.values(), *self.groups, *(name for name in others if name is not None)]


def table(source: Path, columns: Columns, good: Sequence[str]) -> Iterator[Item]:
    """Paths are relative to the table. Raises DataImportError."""
    rows = list(_rows(source, columns))
    classes = [row[columns.label].strip() for row in rows]
    chosen = good_classes(Counter(classes), good)
    for number, (row, name) in enumerate(zip(rows, classes, strict=True), 2):
        label, defects = labelled(name, chosen)
        if columns.defects is not None and label != "ok":
            defects = tuple(part.strip() for part in row[columns.defects].split(_BETWEEN) if part.strip())
        groups = {group: row[group].strip() for group in columns.groups if row[group].strip()}
        piece = row[columns.piece].strip() if columns.piece else f"{source.stem}-{number}"
        product = row[columns.product].strip() if columns.product else ""
        for camera_or_sensor, column in columns.files.items():
            if row[column].strip():
                path = source.parent / row[column].strip()
                yield Item(path, label, defects, piece, camera_or_sensor, groups, product=product)


def _rows(source: Path, columns: Columns) -> Iterator[dict[str, str]]:
    try:
        text, _ = read_text(source)
    except ManifestError as exc:
        raise DataImportError(str(exc).replace("a manifest.jsonl", "a CSV table")) from exc
    first = text.partition("\n")[0]
    separator = max(_SEPARATORS, key=first.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    names = [name.strip() for name in reader.fieldnames or ()]
    for column in columns.all():
        if column not in names:
            raise DataImportError(f"{source}: has no column {column!r}; it has {', '.join(names) or 'none'}")
    try:
        for number, row in enumerate(reader, 2):
            if number > _MAX_ROWS:
                raise DataImportError(f"{source}: has more than {_MAX_ROWS} rows; split it")
            yield {str(name).strip(): value or "" for name, value in row.items() if isinstance(value, str)}
    except csv.Error as exc:
        raise DataImportError(f"{source}:{reader.line_num}: {exc}; correct the line") from exc
