"""A CSV table of labels: a row a piece, with the paths of its recordings."""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from inspector.dataset.importing.good import good_classes, labelled
from inspector.dataset.importing.items import DataImportError, Item
from inspector.dataset.manifest import Label, ManifestError, read_text

_SEPARATORS = ",;\t|"
_MAX_ROWS = 1_000_000
_BETWEEN = "|"
"""Between several classes in one cell."""


@dataclass(frozen=True)
class Columns:
    """Names of columns in the table."""

    files: Mapping[str, str]
    """By name of the camera or sensor: the column with the path of its recording."""
    label: str | None
    """Column of ok and nok, or of classes; None: `probability` says it."""
    defects: str | None = None
    piece: str | None = None
    groups: Sequence[str] = ()
    product: str | None = None
    probability: str | None = None
    """Column of the probability of a defect: 0 is ok, 1 is nok."""

    def all(self) -> list[str]:
        others = (self.label, self.defects, self.piece, self.product, self.probability)
        return [*self.files.values(), *self.groups, *(name for name in others if name is not None)]


def table(source: Path, columns: Columns, good: Sequence[str]) -> Iterator[Item]:
    """Paths are relative to the table. Raises DataImportError."""
    rows = list(_rows(source, columns))
    if not rows:
        raise DataImportError(f"{source}: has no row below its line of names; name a table of labels")
    truths = _truths(source, rows, columns, good)
    for number, ((line, row), (label, defects, probability)) in enumerate(zip(rows, truths, strict=True), 2):
        if columns.defects is not None and label != "ok":
            named = tuple(part.strip() for part in row[columns.defects].split(_BETWEEN) if part.strip())
            defects = named or defects  # a mistyped "okk" without classes becomes a class that the counts show
        groups = {group: row[group].strip() for group in columns.groups if row[group].strip()}
        piece = row[columns.piece].strip() if columns.piece else f"{source.stem}-{number}"
        product = row[columns.product].strip() if columns.product else ""
        for camera_or_sensor, column in columns.files.items():
            if row[column].strip():
                path = source.parent / row[column].strip()
                yield Item(
                    path,
                    label,
                    defects,
                    piece,
                    camera_or_sensor,
                    groups,
                    product=product,
                    defect_probability=probability,
                    origin=f"{source.name}:{line}",
                )


class _Row(NamedTuple):
    line: int
    """Of the table, where the row ends."""
    cells: Mapping[str, str]


class _Truth(NamedTuple):
    label: Label
    defects: tuple[str, ...]
    probability: float | None


def _truths(source: Path, rows: Sequence[_Row], columns: Columns, good: Sequence[str]) -> list[_Truth]:
    if columns.probability is not None:
        return [_likely(f"{source}:{line}", cells[columns.probability].strip()) for line, cells in rows]
    if columns.label is None:
        raise DataImportError("neither --label nor --probability names a column that says which pieces are good")
    classes = [cells[columns.label].strip() for _, cells in rows]
    chosen = good_classes(Counter(classes), good)
    return [_Truth(*labelled(name, chosen), None) for name in classes]


def _likely(place: str, text: str) -> _Truth:
    try:
        probability = float(text.replace(",", ".")) if text else None
    except ValueError:
        probability = -1.0
    if probability is not None and not 0 <= probability <= 1:
        raise DataImportError(f"{place}: {text!r} is no probability from 0 to 1; correct the line")
    if probability in (0.0, 1.0):
        return _Truth("nok" if probability else "ok", (), None)
    return _Truth("unknown", (), probability)


def _rows(source: Path, columns: Columns) -> Iterator[_Row]:
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
            yield _Row(reader.line_num, _complete(f"{source}:{reader.line_num}", row, names))
    except csv.Error as exc:
        raise DataImportError(
            f"{source}: line {reader.line_num + 1} or one behind it: {exc}; look for a quotation mark without its pair"
        ) from exc


def _complete(place: str, row: Mapping[str | None, str | list[str] | None], names: Sequence[str]) -> dict[str, str]:
    """Raises DataImportError for a row with other cells than the line of names."""
    cells = {str(name).strip(): value for name, value in row.items() if name is not None and isinstance(value, str)}
    spare = row.get(None) or ()
    if len(cells) < len(names) or any(cell.strip() for cell in spare):
        raise DataImportError(
            f"{place}: has {len(cells) + len(spare)} cells, the line of names {len(names)}; complete the line, and "
            "write cells with a separator in them between quotation marks"
        )
    return cells
