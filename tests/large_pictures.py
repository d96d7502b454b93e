"""Writes a line of large grey pictures with texture; the defect is a bright spot of a few pixels."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.dataset.manifest import ImageRow, PieceRow, Split, write_manifest

WIDTH_PX, HEIGHT_PX, SPOT_PX, SPOT_LEVEL = 5000, 4000, 10, 220
NUM: dict[Split, int] = {"train": 16, "calibration": 8, "test": 8}


def write_large_pictures(folder: Path, size_px: tuple[int, int] = (WIDTH_PX, HEIGHT_PX)) -> Path:
    """Every second piece has a spot. JPEG, which is written and read quickly."""
    rng = np.random.default_rng(0)
    texture = _texture(rng)
    rows = []
    for split, num in NUM.items():
        for number in range(num):
            name, spoiled = f"{split}-{number}", number % 2 == 1
            picture = large_picture(rng, texture, size_px, spoiled)
            cv2.imwrite(str(folder / f"{name}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 95])
            rows.append(
                PieceRow(
                    piece_id=name,
                    images=(ImageRow(camera="top", path=f"{name}.jpg"),),
                    label="nok" if spoiled else "ok",
                    defects=("spot",) if spoiled else (),
                    split=split,
                    groups={"lot": name},
                )
            )
    write_manifest(folder / "manifest.jsonl", rows)
    return folder / "manifest.jsonl"


def large_picture(
    rng: np.random.Generator, texture: NDArray[np.uint8], size_px: tuple[int, int], spoiled: bool
) -> NDArray[np.uint8]:
    width, height = size_px
    top, left = rng.integers(0, texture.shape[0], 2)
    repeats = -(-height // texture.shape[0]) + 1, -(-width // texture.shape[1]) + 1
    picture = np.tile(texture, repeats)[top : top + height, left : left + width].copy()
    if spoiled:
        y, x = _dark_place(rng, picture)
        picture[y : y + SPOT_PX, x : x + SPOT_PX] = SPOT_LEVEL
    return picture


def _texture(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Clouds of some 40 px, from 85 to 175, and fine noise. A shrunk picture shows a spot as grey as a bright cloud."""
    clouds = cv2.GaussianBlur(rng.normal(0, 1, (1024, 1024)).astype(np.float32), (0, 0), 15)
    levels = 130 + 45 * np.tanh(1.5 * clouds / clouds.std()) + rng.normal(0, 3, clouds.shape)
    return np.clip(levels, 0, 255).astype(np.uint8)


def _dark_place(rng: np.random.Generator, picture: NDArray[np.uint8]) -> tuple[int, int]:
    height, width = picture.shape
    while True:
        y, x = int(rng.integers(100, height - 100)), int(rng.integers(100, width - 100))
        if picture[y - 10 : y + 20, x - 10 : x + 20].mean() < 125:
            return y, x
