"""YOLO: a text file of boxes or polygons beside each image, and a list of class names."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from inspector.dataset.cameras import image_size
from inspector.dataset.importing.boxes import blank, draw_box, draw_polygon
from inspector.dataset.importing.items import DataImportError, Item, Mask, files_below, images_below
from inspector.dataset.manifest import ManifestError, read_text

_YAML = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
_TEXT = ("classes.txt", "obj.names", "labels/classes.txt")
_LISTED = re.compile(r"^names\s*:\s*\[(.*?)\]", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^names\s*:\s*\n((?:[ \t]*(?:-|\d+\s*:)[^\n]*\n?)+)", re.MULTILINE)
_ENTRY = re.compile(r"^[ \t]*(?:-|(\d+)\s*:)[ \t]*(.*?)[ \t]*(?:#.*)?$", re.MULTILINE)
_TOLERANCE = 0.01
"""Beyond the picture, for rounding."""


def yolo(source: Path, names: Sequence[str], good: Sequence[str]) -> Iterator[Item]:
    """`names`: of the classes; none: of data.yaml or classes.txt. Raises DataImportError.

    An image without a label file, or with an empty one, is good.
    """
    classes = list(names) or _class_names(source)
    missing = [name for name in good if name not in classes]
    if missing:
        raise DataImportError(f"no class is called {', '.join(missing)}; classes are {', '.join(classes)}")
    images = images_below(source)
    labels = {path: _label_file(source, path) for path in images}
    if not any(file.is_file() for file in labels.values()):
        example = next(iter(labels.values()), source)
        raise DataImportError(f"{source}: no image has a label file, such as {example}; name the folder above both")
    for path in images:
        yield _item(path, labels[path], classes, good)


def _label_file(source: Path, image: Path) -> Path:
    """labels/ for images/ in the path, or beside the image."""
    parts = list(image.relative_to(source).parts)
    if "images" in parts[:-1]:
        last = max(index for index, part in enumerate(parts[:-1]) if part == "images")
        parts[last] = "labels"
    return source.joinpath(*parts).with_suffix(".txt")


def _item(path: Path, file: Path, classes: Sequence[str], good: Sequence[str]) -> Item:
    shapes = list(_shapes(file, len(classes))) if file.is_file() else []
    defective = [(number, values) for number, values in shapes if classes[number] not in good]
    if not defective:
        return Item(path, "ok")
    try:
        mask = blank(image_size(path))
    except ManifestError as exc:
        raise DataImportError(str(exc)) from exc
    for _, values in defective:
        _draw(mask, values)
    return Item(path, "nok", tuple(sorted({classes[number] for number, _ in defective})), mask=mask)


def _shapes(file: Path, num_classes: int) -> Iterator[tuple[int, list[float]]]:
    for number, line in enumerate(_text(file).splitlines(), 1):
        if not line.strip():
            continue
        try:
            head, *rest = line.split()
            index, values = int(head), [float(value) for value in rest]
        except ValueError as exc:
            raise DataImportError(f"{file}:{number}: {line[:60]!r}: expected a class and numbers; correct it") from exc
        inside = all(-_TOLERANCE <= value <= 1 + _TOLERANCE for value in values)
        if not 0 <= index < num_classes or not inside or len(values) not in (4, *range(6, 4000, 2)):
            raise DataImportError(
                f"{file}:{number}: class {index} of {num_classes} with {len(values)} numbers, expected x y width "
                "height, or the corners of a polygon, as shares of the picture from 0 to 1; correct it"
            )
        yield index, values


def _draw(mask: Mask, values: Sequence[float]) -> None:
    height, width = mask.shape
    if len(values) == 4:
        x, y, w, h = values
        draw_box(mask, (x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height)
    else:
        draw_polygon(mask, [(x * width, y * height) for x, y in zip(values[::2], values[1::2], strict=True)])


def _class_names(source: Path) -> list[str]:
    known = {str(path.relative_to(source).as_posix()): path for path in files_below(source)}
    for name in _YAML:
        if name in known and (found := _from_yaml(_text(known[name]))):
            return found
    for name in _TEXT:
        if name in known:
            return [line.strip() for line in _text(known[name]).splitlines() if line.strip()]
    raise DataImportError(f"{source}: has neither {_YAML[0]} nor {_TEXT[0]}; give the classes with --names a,b,c")


def _from_yaml(text: str) -> list[str]:
    """The `names` of a data.yaml: a list in brackets, with dashes, or with numbers."""
    if listed := _LISTED.search(text):
        return [_unquoted(name) for name in listed[1].split(",") if name.strip()]
    if block := _BLOCK.search(text):
        entries = [(match[1], _unquoted(match[2])) for match in _ENTRY.finditer(block[1])]
        return [name for _, name in sorted(entries, key=lambda entry: int(entry[0] or 0))]
    return []


def _unquoted(name: str) -> str:
    return name.strip().strip("'\"").strip()


def _text(path: Path) -> str:
    try:
        return read_text(path)[0]
    except ManifestError as exc:
        raise DataImportError(str(exc)) from exc
