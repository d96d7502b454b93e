"""Writes a data set as tasks of Label Studio: images with boxes to check, sounds with a link, what people said."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from inspector.dataset.manifest import PieceRow
from inspector.review.export.coco import UNNAMED, Box, ExportedImage, class_of

LINK = "/data/local-files/?d="
"""How Label Studio addresses a file of its local storage; the storage's folder is the data set's."""
SHOWN = frozenset({".png", ".flac", ".wav"})
"""Files that Label Studio can show or play."""


PIECE = "piece"
"""Name of the text that the controls for the whole piece belong to."""


def write_label_studio(
    tasks: Path, labels: Path, rows: Sequence[PieceRow], images: Mapping[str, Sequence[ExportedImage]], model: str
) -> None:
    """Tasks as JSON, and the labelling interface for them as XML. `images` are those of a piece, by its id.

    Recordings that Label Studio cannot show (.npy) are left out of its tasks. What people said are annotations of the
    tasks; boxes are predictions, for nobody drew them.
    """
    pictures = sorted({name for row in rows for name, path in _shown(row).items() if path.endswith(".png")})
    sounds = sorted({name for row in rows for name, path in _shown(row).items() if not path.endswith(".png")})
    classes = sorted({name for row in rows for name in row.defects} | {UNNAMED})
    labels.write_text(_interface(pictures, sounds, classes), encoding="utf-8")
    empty = dict.fromkeys((*pictures, *sounds), "")
    written = [_task(number, row, images.get(row.piece_id, ()), model, empty) for number, row in enumerate(rows, 1)]
    tasks.write_text(json.dumps(written, ensure_ascii=False), encoding="utf-8")


def source_names(row: PieceRow) -> dict[str, str]:
    """Path of each recording by the name of the task's data: `top`, or `top_1` for the second image of a camera."""
    sources = [(image.camera, image.path) for image in row.images]
    sources += [(signal.sensor, signal.path) for signal in row.signals]
    counts: Counter[str] = Counter()
    names: dict[str, str] = {}
    for source, path in sources:
        names[f"{source}_{counts[source]}" if counts[source] else source] = path
        counts[source] += 1
    return names


def _shown(row: PieceRow) -> dict[str, str]:
    return {name: path for name, path in source_names(row).items() if Path(path).suffix in SHOWN}


def _task(
    number: int, row: PieceRow, images: Sequence[ExportedImage], model: str, empty: Mapping[str, str]
) -> dict[str, object]:
    names = {path: name for name, path in source_names(row).items()}
    links = {name: LINK + quote(path) for name, path in _shown(row).items()}
    boxes = [_rectangle(image, box, names[image.path]) for image in images for box in image.boxes]
    choices = [_choice("label", [row.label]), *([_choice("classes", list(row.defects))] if row.defects else [])]
    return {
        "id": number,
        "data": {**empty, **links, "piece_id": row.piece_id, "split": row.split},
        "annotations": [{"result": choices, "was_cancelled": False}],
        "predictions": [{"model_version": model, "result": boxes}] if boxes else [],
    }


def _choice(control: str, chosen: list[str]) -> dict[str, object]:
    return {"from_name": control, "to_name": PIECE, "type": "choices", "value": {"choices": chosen}}


def _rectangle(image: ExportedImage, box: Box, name: str) -> dict[str, object]:
    """In percent of the image, as Label Studio wants it."""
    value = {
        "x": 100 * box.x_px / image.width_px,
        "y": 100 * box.y_px / image.height_px,
        "width": 100 * box.width_px / image.width_px,
        "height": 100 * box.height_px / image.height_px,
        "rotation": 0,
        "rectanglelabels": [class_of(image.piece)],
    }
    return {
        "from_name": f"box_{name}",
        "to_name": name,
        "type": "rectanglelabels",
        "original_width": image.width_px,
        "original_height": image.height_px,
        "image_rotation": 0,
        "score": box.strength,
        "value": value,
    }


def _interface(pictures: Sequence[str], sounds: Sequence[str], classes: Sequence[str]) -> str:
    view = Element("View")
    SubElement(view, "Text", name=PIECE, value="$piece_id")
    for name in pictures:
        SubElement(view, "Image", name=name, value=f"${name}")
        boxes = SubElement(view, "RectangleLabels", name=f"box_{name}", toName=name)
        for each in classes:
            SubElement(boxes, "Label", value=each)
    for name in sounds:
        SubElement(view, "Audio", name=name, value=f"${name}")
    for control, choices, how in (("label", ("ok", "nok"), "single"), ("classes", classes, "multiple")):
        parent = SubElement(view, "Choices", name=control, toName=PIECE, choice=how)
        for each in choices:
            SubElement(parent, "Choice", value=each)
    indent(view)
    return tostring(view, encoding="unicode") + "\n"
