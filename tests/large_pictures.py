"""Writes a line of large grey pictures with texture; the defect is a scratch of a few pixels."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.dataset.manifest import ImageRow, PieceRow, Split, write_manifest

WIDTH_PX, HEIGHT_PX, SPOT_PX, FLANK = 5000, 4000, 10, 90
NUM: dict[Split, int] = {"train": 12, "calibration": 6}


def write_large_pictures(folder: Path, size_px: tuple[int, int] = (WIDTH_PX, HEIGHT_PX), *, test: int = 0) -> Path:
    """Every second piece has a scratch; `test` is the number of pieces in split test. JPEG, which is
    written and read quickly."""
    rng = np.random.default_rng(0)
    texture = _texture(rng)
    rows = []
    for split, num in (NUM | {"test": test}).items():
        for number in range(num):
            name, spoiled = f"{split}-{number}", number % 2 == 1
            picture = large_picture(rng, texture, size_px, spoiled)
            cv2.imwrite(str(folder / f"{name}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 95])
            rows.append(
                PieceRow(
                    piece_id=name,
                    images=(ImageRow(camera="top", path=f"{name}.jpg"),),
                    label="nok" if spoiled else "ok",
                    defects=("scratch",) if spoiled else (),
                    split=split,
                    groups={"lot": name},
                )
            )
    write_manifest(folder / "manifest.jsonl", rows)
    return folder / "manifest.jsonl"


def unseen_pictures(num: int, size_px: tuple[int, int] = (WIDTH_PX, HEIGHT_PX)) -> Iterator[NDArray[np.uint8]]:
    """Every second one has a scratch; of the texture and with the noise of compression that the data set has."""
    texture = _texture(np.random.default_rng(0))
    rng = np.random.default_rng(1)
    for number in range(num):
        picture = large_picture(rng, texture, size_px, number % 2 == 1)
        _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])
        yield np.asarray(cv2.imdecode(data, cv2.IMREAD_UNCHANGED), np.uint8)


def large_picture(
    rng: np.random.Generator, texture: NDArray[np.uint8], size_px: tuple[int, int], spoiled: bool
) -> NDArray[np.uint8]:
    width, height = size_px
    top, left = rng.integers(0, texture.shape[0], 2)
    repeats = -(-height // texture.shape[0]) + 1, -(-width // texture.shape[1]) + 1
    picture = np.tile(texture, repeats)[top : top + height, left : left + width].copy()
    if spoiled:
        y, x = int(rng.integers(100, height - 100)), int(rng.integers(100, width - 100))
        place = picture[y : y + SPOT_PX, x : x + SPOT_PX]
        place[...] = np.clip(place + FLANK * _scratch(), 0, 255).astype(np.uint8)
    return picture


def _scratch() -> NDArray[np.int16]:
    """Bright and dark flanks side by side: the mean of its pixels is that of the surface."""
    flanks = np.ones((SPOT_PX, SPOT_PX), np.int16)
    half = SPOT_PX // 2
    flanks[:half, half:], flanks[half:, :half] = -1, -1
    return flanks


def _texture(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Clouds of some 40 px and fine noise."""
    clouds = cv2.GaussianBlur(rng.normal(0, 1, (1024, 1024)).astype(np.float32), (0, 0), 15)
    levels = 130 + 12 * np.tanh(clouds / clouds.std()) + rng.normal(0, 3, clouds.shape)
    return np.clip(levels, 0, 255).astype(np.uint8)
