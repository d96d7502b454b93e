"""Data sets in common forms, for tests of the import."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from click.testing import CliRunner, Result
from pycocotools import mask as coco_masks

from inspector.cli.data import data
from tests.inspector.dataset.sample_files import image_file

NUM = 30
"""Files of each class: enough for five parts in each split."""
RNG = np.random.default_rng(5)
SIZE = (80, 100)


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(image_file(path.suffix, RNG.integers(0, 255, SIZE, np.uint8)))


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(data, ["import", *map(str, arguments)])


def class_folders(folder: Path, names: Sequence[str] = ("good", "crack", "dent")) -> Path:
    for name in names:
        for i in range(NUM):
            picture(folder / "in" / name / f"lot{i // 2}" / f"{i}.png")
    return folder / "in"


def coco_file(folder: Path) -> Path:
    """Boxes, polygons, run lengths and packed run lengths by turns."""
    area = np.zeros(SIZE, np.uint8, order="F")
    area[10:20, 30:50] = 1
    packed = coco_masks.encode(area)
    plain = {"size": list(SIZE), "counts": _runs(area)}
    shapes: list[dict[str, object]] = [
        {"bbox": [30, 10, 20, 10]},
        {"bbox": [30, 10, 20, 10], "segmentation": [[30, 10, 49, 10, 49, 19, 30, 19]]},
        {"segmentation": plain},
        {"segmentation": {"size": list(SIZE), "counts": packed["counts"].decode()}},
    ]
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for i in range(3 * NUM):
        picture(folder / "images" / f"{i}.png")
        images.append({"id": i, "file_name": f"{i}.png", "width": SIZE[1], "height": SIZE[0]})
        if i % 3:
            annotations.append({"id": i, "image_id": i, "category_id": i % 3, **shapes[i % 4]})
    (folder / "annotations").mkdir()
    path = folder / "annotations" / "instances.json"
    categories = [{"id": 1, "name": "crack"}, {"id": 2, "name": "dent"}]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


def _runs(area: np.ndarray) -> list[int]:
    flat = area.flatten(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    return [int(n) for n in np.diff([0, *edges, flat.size])]


def yolo_folder(folder: Path, names: str) -> Path:
    for i in range(3 * NUM):
        picture(folder / "images" / "train" / f"{i}.png")
        (folder / "labels" / "train").mkdir(parents=True, exist_ok=True)
        box = f"{i % 3 - 1} 0.4 0.1875 0.2 0.125\n"
        polygon = f"{i % 3 - 1} 0.3 0.125 0.49 0.125 0.49 0.2375 0.3 0.2375\n"
        if i % 3 or i % 2:
            text = "" if i % 3 == 0 else box if i % 2 else polygon
            (folder / "labels" / "train" / f"{i}.txt").write_text(text)
    (folder / "data.yaml").write_text(f"train: images/train\nnc: 2\n{names}\n")
    return folder
