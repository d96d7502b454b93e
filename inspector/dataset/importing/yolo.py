"""YOLO: a text file of boxes or polygons beside each image, and a list of class names."""

import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from inspector.dataset.cameras import image_size
from inspector.dataset.importing.boxes import blank, draw_box, draw_polygon
from inspector.dataset.importing.items import DataImportError, Item, Mask, files_below, images_below
from inspector.dataset.importing.notes import unused
from inspector.dataset.manifest import ManifestError, read_text

_YAML = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
_TEXT = ("classes.txt", "obj.names", "labels/classes.txt")
_LISTED = re.compile(r"^names\s*:\s*\[(.*?)\]", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^names\s*:\s*\n((?:[ \t]*(?:-|\d+\s*:)[^\n]*\n?)+)", re.MULTILINE)
_ENTRY = re.compile(r"^[ \t]*(?:-|(\d+)\s*:)[ \t]*(.*?)[ \t]*(?:#.*)?$", re.MULTILINE)
_TOLERANCE = 0.01
"""Beyond the picture, for rounding."""


def yolo(source: Path, names: Sequence[str], good: Sequence[str], notes: list[str]) -> Iterator[Item]:
    """`names`: of the classes; none: of data.yaml or classes.txt. Raises DataImportError.

    An image without a label file, or with an empty one, is good. Adds sentences for the person who imports to `notes`.
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
    _refuse_lost(source, set(labels.values()))
    shapes = {path: list(_shapes(file, len(classes))) if file.is_file() else [] for path, file in labels.items()}
    used = {classes[number] for found in shapes.values() for number, _ in found}
    notes += unused(classes, used, "label")
    empty = [path for path, found in shapes.items() if not found]
    if empty:
        without = sum(not labels[path].is_file() for path in empty)
        notes.append(
            f"{len(empty)} images without a label count as good ({without} have no label file, "
            f"{len(empty) - without} an empty one); leave out those that nobody looked at"
        )
    for path, found in shapes.items():
        yield _item(path, found, classes, good)


def _refuse_lost(source: Path, known: Collection[Path]) -> None:
    """Labels without their image: the image of another name would count as good. Raises DataImportError."""
    folders = {file.parent for file in known}
    others = {source / name for name in _TEXT}
    lost = [
        path
        for path in files_below(source)
        if path.suffix == ".txt"
        and path.parent in folders
        and path not in known
        and path not in others
        and _is_label(path)
    ]
    if lost:
        raise DataImportError(
            f"{lost[0]}: has labels, and no image of its name is there ({len(lost)} such file(s)): an image of "
            "another name would count as good; rename it, or remove the labels"
        )


def _is_label(path: Path) -> bool:
    """Whether the first line is a class and numbers; other texts, such as a readme, are none."""
    try:
        return all(float(word) >= 0 for word in _text(path).split("\n", 1)[0].split()[:5] or ["-"])
    except ValueError:
        return False


def _label_file(source: Path, image: Path) -> Path:
    """labels/ for images/ in the path, or beside the image."""
    parts = list(image.relative_to(source).parts)
    if "images" in parts[:-1]:
        last = max(index for index, part in enumerate(parts[:-1]) if part == "images")
        parts[last] = "labels"
    return source.joinpath(*parts).with_suffix(".txt")


def _item(path: Path, shapes: Sequence[tuple[int, list[float]]], classes: Sequence[str], good: Sequence[str]) -> Item:
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
        if wrong := _wrong(index, values, num_classes):
            raise DataImportError(f"{file}:{number}: {wrong}")
        yield index, values


def _wrong(index: int, values: Sequence[float], num_classes: int) -> str:
    """What is wrong with a line, and what to do; empty: nothing."""
    if not 0 <= index < num_classes:
        return f"class {index} is none of the {num_classes} classes, counted from 0; correct it, or complete the names"
    if len(values) not in (4, *range(6, 4000, 2)):
        more = "; leave out the confidence at its end" if len(values) == 5 else ""
        return (
            f"has {len(values)} numbers behind the class, expected 4 (x y width height), or two for each corner of a "
            f"polygon{more}"
        )
    if len(values) == 4 and min(values[2:]) <= 0:
        return f"a box of {values[2]:g} x {values[3]:g} of the picture has no area; correct it, or remove the line"
    beyond = next((value for value in values if not -_TOLERANCE <= value <= 1 + _TOLERANCE), None)
    if beyond is None:
        return ""
    return f"has the number {beyond:g}, expected shares of the picture from 0 to 1; divide pixels by width and height"


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
    if file := next((name for name in _YAML if name in known), None):
        raise DataImportError(f"{known[file]}: has no list of names that can be read; give them with --names a,b,c")
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
