"""Folders as classes, and the layout of MVTec AD."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from inspector.dataset.importing.good import good_classes, labelled
from inspector.dataset.importing.items import DataImportError, Item, images_below, is_image, recordings_below
from inspector.dataset.importing.notes import unused

_GOOD, _MASK, _TRUTH = "good", "_mask", "ground_truth"
_SPLITS = {"train", "training", "val", "valid", "validation", "test", "testing", "calibration"}


def by_folder(source: Path, good: Sequence[str], notes: list[str]) -> Iterator[Item]:
    """The class of a file is the folder below `source` that it is in; <name>_mask is the mask of <name>. Raises
    DataImportError.

    Where these folders are train, test and the like, the class is the folder below; the pieces are divided anew. Adds
    sentences for the person who imports to `notes`.
    """
    recordings = recordings_below(source)
    masks = masks_of(recordings)
    are_masks = set(masks.values())
    paths = [path for path in recordings if path not in are_masks]
    depth = 1 if _are_splits(source, paths) else 0
    classes = {path: _class_of(source, path, depth) for path in paths}
    counts = Counter(classes.values())
    try:
        chosen = good_classes(counts, good)
    except DataImportError as exc:
        raise DataImportError(f"{exc}{_deeper(source, paths, depth + 1)}") from exc
    notes += unused(_folders(source, depth), counts, "recording")
    notes += _lone_masks(paths)
    for path in paths:
        label, defects = labelled(classes[path], chosen)
        yield Item(path, label, defects, mask=masks.get(path) if label == "nok" else None)


def masks_of(paths: Sequence[Path]) -> Mapping[Path, Path]:
    """Images called <name>_mask beside an image <name>, by that image."""
    images = {path.with_suffix(""): path for path in paths if is_image(path) and not path.stem.endswith(_MASK)}
    masks = {path.with_name(path.stem.removesuffix(_MASK)): path for path in paths if path.stem.endswith(_MASK)}
    return {images[name]: mask for name, mask in masks.items() if name in images}


def _folders(source: Path, depth: int) -> set[str]:
    """Names of all folders of classes, also of those without a recording."""
    return {path.name for path in source.glob("*/" * depth + "*") if path.is_dir() and not path.name.startswith(".")}


def _lone_masks(paths: Sequence[Path]) -> list[str]:
    lone = [path for path in paths if is_image(path) and path.stem.endswith(_MASK)]
    if not lone:
        return []
    name = lone[0].stem.removesuffix(_MASK)
    return [
        f"WARNING: {len(lone)} images are called like masks, and become pieces, for no image {name} lies beside the "
        f"first: {lone[0]}. If they are masks, restore their images, or move them away"
    ]


def _are_splits(source: Path, paths: Sequence[Path]) -> bool:
    """Whether the folders are called train, test and the like, and the classes lie below."""
    parts = [path.relative_to(source).parts for path in paths]
    return all(part[0].lower() in _SPLITS for part in parts) and any(len(part) > 2 for part in parts)


def _deeper(source: Path, paths: Sequence[Path], depth: int) -> str:
    """A hint where the classes lie one folder deeper, below one folder for each part; else empty."""
    deeper = [path.relative_to(source).parts[depth:] for path in paths]
    if any(len(parts) < 2 for parts in deeper):
        return ""
    counts = Counter(parts[0] for parts in deeper)
    try:
        good_classes(counts, ())
    except DataImportError:
        return ""
    listed = ", ".join(f"{name} ({num})" for name, num in sorted(counts.items()))
    return (
        f"; or are the classes one folder deeper ({listed})? Then: inspector data import recordings {source} "
        "--pattern '(?P<part>[^/]+)/(?P<label>[^/]+)/.+'"
    )


def _class_of(source: Path, path: Path, depth: int) -> str:
    parts = path.relative_to(source).parts[depth:]
    if len(parts) < 2:
        raise DataImportError(f"{path}: lies in no folder of a class; move it, or name the folder above the classes")
    return parts[0]


def mvtec(source: Path, notes: list[str]) -> Iterator[Item]:
    """train/good, test/<class>, ground_truth/<class>/<name>_mask.png. Adds what masks are missing to `notes`. Raises
    DataImportError."""
    if not (source / "train").is_dir() or not (source / "test").is_dir():
        inside = sorted(path.parent.name for path in source.glob("*/train") if path.is_dir())
        advice = f"name one of its sets: {', '.join(inside)}" if inside else "expected train/good and test/<class>"
        raise DataImportError(f"{source}: is no set of MVTec AD; {advice}")
    defective: dict[Path, Path | None] = {}
    for part in ("train", "test"):
        for path in images_below(source / part):
            name = path.relative_to(source / part).parts[0]
            if name == path.name:
                raise DataImportError(f"{path}: lies in no folder of a class; expected {part}/good or {part}/<class>")
            label, defects = labelled(name, (_GOOD,))
            if label == "nok":
                defective[path] = _mask(source, name, path)
            yield Item(path, label, defects, mask=defective.get(path))
    notes += _without_mask(source, defective)


def _without_mask(source: Path, masks: Mapping[Path, Path | None]) -> list[str]:
    """A sentence where defective images lack a mask."""
    lacking = [path for path, mask in masks.items() if mask is None]
    if not lacking:
        return []
    first = lacking[0]
    truth = source / _TRUTH
    spare = sorted({*truth.rglob("*.png")} - {*masks.values()})
    unused_files = f"; {len(spare)} files of {truth} belong to no image, the first: {spare[0]}" if spare else ""
    measured = "is measured on the others alone" if len(lacking) < len(masks) else "cannot be measured"
    return [
        f"WARNING: {len(lacking)} of {len(masks)} defective images have no mask, the first: {first}. Their labels are "
        f"used all the same; whether heat maps show the defect {measured}. A mask is white where the defect is, and "
        f"lies in {truth / first.parent.name / first.stem}{_MASK}.png{unused_files}"
    ]


def _mask(source: Path, name: str, path: Path) -> Path | None:
    folder = source / _TRUTH / name
    places = (folder / f"{path.stem}_mask.png", folder / f"{path.stem}.png")
    return next((place for place in places if place.is_file()), None)
