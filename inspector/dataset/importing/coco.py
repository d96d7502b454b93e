"""COCO: one JSON file of images, annotations (boxes, polygons, run lengths) and categories."""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from inspector.dataset.importing.boxes import blank, draw_box, draw_polygon, draw_runs
from inspector.dataset.importing.items import DataImportError, Item, Mask
from inspector.dataset.importing.notes import unused
from inspector.dataset.manifest import ManifestError, read_text
from streams.decode.limits import Limits


class _Runs(BaseModel):
    size: tuple[int, int]
    counts: list[int] | str


class _Annotation(BaseModel):
    image_id: int | str
    category_id: int
    bbox: tuple[float, float, float, float] | None = None
    segmentation: list[list[float]] | _Runs | None = None


class _Image(BaseModel):
    id: int | str
    file_name: str
    width: int = Field(gt=0)
    height: int = Field(gt=0)


class _Category(BaseModel):
    id: int
    name: str


class _Coco(BaseModel):
    images: list[_Image]
    annotations: list[_Annotation] = []
    categories: list[_Category]


def coco(source: Path, images: Path | None, good: Sequence[str], notes: list[str]) -> Iterator[Item]:
    """`images`: the folder of the images; None: the usual places. Raises DataImportError.

    An image without annotations is good, and so is one whose categories all count as good. Adds sentences for the
    person who imports to `notes`.
    """
    file = _json_of(source)
    content = _parsed(file)
    names = {category.id: category.name for category in content.categories}
    _check_good(good, names.values())
    by_image = _by_image(file, content, names)
    notes += _notes(content, names)
    for image in content.images:
        defective = [a for a in by_image[image.id] if names[a.category_id] not in good]
        defects = tuple(sorted({names[annotation.category_id] for annotation in defective}))
        path = _place(file, images, image.file_name)
        yield Item(
            path, "nok" if defective else "ok", defects, mask=_mask(file, image, defective) if defective else None
        )


def _notes(content: _Coco, names: Mapping[int, str]) -> list[str]:
    empty = len({image.id for image in content.images} - {annotation.image_id for annotation in content.annotations})
    notes = unused(names.values(), {names[annotation.category_id] for annotation in content.annotations}, "annotation")
    if empty:
        notes.append(f"{empty} images without an annotation count as good; leave out those that nobody looked at")
    return notes


def _by_image(file: Path, content: _Coco, names: Collection[int]) -> dict[int | str, list[_Annotation]]:
    """A lost annotation would make its image a good one. Raises DataImportError."""
    images = Counter(image.id for image in content.images)
    files = Counter(image.file_name for image in content.images)
    for number, times in images.items():
        if times > 1:
            raise DataImportError(f"{file}: {times} images have the id {number!r}; give each an id of its own")
    for name, times in files.items():
        if times > 1:
            raise DataImportError(
                f"{file}: {times} images have the file {name}: one without annotations would count as good; list it "
                "once, with all its annotations"
            )
    by_image: dict[int | str, list[_Annotation]] = defaultdict(list)
    for annotation in content.annotations:
        if annotation.category_id not in names:
            raise DataImportError(f"{file}: an annotation has category {annotation.category_id}, which is not listed")
        if annotation.image_id not in images:
            raise DataImportError(
                f"{file}: an annotation is of image {annotation.image_id!r}, which is not listed"
                f"{_other_type(annotation.image_id, images)}: its image would count as good; "
                "correct the id, or remove the annotation"
            )
        by_image[annotation.image_id].append(annotation)
    return by_image


def _other_type(wanted: int | str, images: Collection[int | str]) -> str:
    near = next((number for number in images if str(number) == str(wanted)), None)
    return "" if near is None else f" (image {near!r} is)"


def _json_of(source: Path) -> Path:
    if source.is_file():
        return source
    files = sorted({*source.glob("*.json"), *source.glob("annotations/*.json")})
    if len(files) == 1:
        return files[0]
    names = ", ".join(str(path.relative_to(source)) for path in files) or "none"
    raise DataImportError(f"{source}: name the JSON file of the annotations (here: {names})")


def _parsed(file: Path) -> _Coco:
    try:
        text, _ = read_text(file)
        return _Coco.model_validate_json(text)
    except ManifestError as exc:
        raise DataImportError(str(exc).replace("manifest.jsonl", "COCO file")) from exc
    except ValidationError as exc:
        first = exc.errors()[0]
        place = ".".join(map(str, first["loc"])) or "file"
        raise DataImportError(f"{file}: {place}: {first['msg']}; expected a COCO file") from exc


def _check_good(good: Sequence[str], known: Collection[str]) -> None:
    missing = [name for name in good if name not in known]
    if missing:
        raise DataImportError(f"no category is called {', '.join(missing)}; categories are {', '.join(known)}")


def _place(file: Path, images: Path | None, name: str) -> Path:
    near, above = file.parent, file.parent.parent
    usual = [near, near / "images", above, above / "images", above / file.stem.rpartition("_")[2]]
    folders = [images] if images else usual
    path = next((folder / name for folder in folders if (folder / name).is_file()), None)
    if path is None:
        places = ", ".join(map(str, folders))
        remedy = "write its name with / for \\, below that folder" if "\\" in name else "name the folder with --images"
        raise DataImportError(f"{file}: image {name} is in none of {places}; {remedy}")
    return path


def _mask(file: Path, image: _Image, annotations: Sequence[_Annotation]) -> Mask:
    limits = Limits()
    if image.width * image.height > limits.max_pixels:
        raise DataImportError(f"{file}: image {image.file_name} has more than {limits.max_pixels} px; tile it")
    mask = blank((image.height, image.width))
    try:
        for annotation in annotations:
            _draw(mask, annotation)
    except ValueError as exc:
        raise DataImportError(f"{file}: image {image.file_name}: {exc}; correct its annotation") from exc
    return mask


def _draw(mask: Mask, annotation: _Annotation) -> None:
    """Raises ValueError."""
    shape = annotation.segmentation
    if isinstance(shape, _Runs):
        runs = _unpacked(shape.counts) if isinstance(shape.counts, str) else shape.counts
        draw_runs(mask, runs)
    elif shape:
        for points in shape:
            if len(points) < 6 or len(points) % 2:
                raise ValueError(f"a polygon of {len(points)} numbers, expected x and y of three corners at least")
            corners = list(zip(points[::2], points[1::2], strict=True))
            _refuse_outside(mask, corners)
            draw_polygon(mask, corners)
    elif annotation.bbox is not None:
        left, top, width, height = annotation.bbox
        if not (math.isfinite(left + top) and 0 < width < math.inf and 0 < height < math.inf):
            raise ValueError(f"a box of {width:g} x {height:g} px at {left:g}, {top:g}")
        _refuse_outside(mask, [(left, top), (left + width, top + height)])
        draw_box(mask, left, top, left + width, top + height)
    else:
        raise ValueError("an annotation without box and segmentation")


def _refuse_outside(mask: Mask, points: Sequence[tuple[float, float]]) -> None:
    """Raises ValueError."""
    height, width = mask.shape
    across, down = zip(*points, strict=True)
    if min(across) >= width or min(down) >= height or max(across) < 0 or max(down) < 0:
        raise ValueError(
            f"a shape from {min(across):g}, {min(down):g} to {max(across):g}, {max(down):g} px lies outside of "
            f"{width} x {height} px"
        )


def _unpacked(text: str) -> list[int]:
    """COCO's packed run lengths: 5 bits a character, least first; after the third, added to the last but one."""
    runs: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            raise ValueError(f"a run length has the character {character!r}")
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = shift = 0
    return runs
