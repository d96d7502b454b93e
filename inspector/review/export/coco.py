"""Writes the images of a data set as COCO: regions of the evidence as boxes, classes as people named them."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from inspector.dataset.manifest import PieceRow

UNNAMED = "defect"
"""Category of boxes of pieces without one class."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in an image, in pixels."""

    x_px: int
    y_px: int
    width_px: int
    height_px: int
    strength: float


@dataclass(frozen=True, slots=True)
class ExportedImage:
    """An image of the data set with its evidence."""

    piece: PieceRow
    camera: str
    path: str
    width_px: int
    height_px: int
    boxes: tuple[Box, ...]
    """Of defective pieces only: a region in a good piece marks no defect."""


def write_coco(path: Path, images: Sequence[ExportedImage]) -> None:
    """Boxes are the model's evidence; people said that the piece is defective, and drew none of them."""
    names = sorted({name for image in images for name in image.piece.defects} | {UNNAMED})
    ids = {name: number for number, name in enumerate(names, 1)}
    content = {
        "info": {"description": "Boxes are the model's evidence in pieces that people called NOK; nobody drew them."},
        "licenses": [],
        "categories": [{"id": number, "name": name, "supercategory": ""} for name, number in ids.items()],
        "images": [_image(number, image) for number, image in enumerate(images, 1)],
        "annotations": list(_annotations(images, ids)),
    }
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def _image(number: int, image: ExportedImage) -> dict[str, object]:
    return {
        "id": number,
        "file_name": image.path,
        "width": image.width_px,
        "height": image.height_px,
        "piece_id": image.piece.piece_id,
        "camera": image.camera,
        "label": image.piece.label,
        "split": image.piece.split,
    }


def _annotations(images: Sequence[ExportedImage], ids: dict[str, int]) -> Iterable[dict[str, object]]:
    boxes = [(number, image, box) for number, image in enumerate(images, 1) for box in image.boxes]
    for number, (image_id, image, box) in enumerate(boxes, 1):
        yield {
            "id": number,
            "image_id": image_id,
            "category_id": ids[class_of(image.piece)],
            "bbox": [box.x_px, box.y_px, box.width_px, box.height_px],
            "area": box.width_px * box.height_px,
            "segmentation": [],
            "iscrowd": 0,
            "score": box.strength,
        }


def class_of(piece: PieceRow) -> str:
    """The piece's class where it has exactly one: nobody said which box shows which of two."""
    return piece.defects[0] if len(piece.defects) == 1 else UNNAMED
