"""A small data set of files, whole, as a new user has it: two sources, four classes, five parts each and more."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.inspector.dataset.sample_files import image_file, wav

Row = dict[str, Any]
CLASSES = ("ok", "crack", "dent")
NUM_PARTS = 6
"""Of each class, in each split."""
RNG_SEED = 7


def rows_of(splits: tuple[str, ...] = ("train", "calibration", "test")) -> list[Row]:
    return [_row(split, name, number) for split in splits for name in CLASSES for number in range(NUM_PARTS)]


def _row(split: str, name: str, number: int) -> Row:
    piece = f"{split}-{name}-{number}"
    bad = name != "ok"
    label = "nok" if bad else "ok"
    return {
        "piece_id": piece,
        "label": label,
        "defects": [name] if bad else [],
        "split": split,
        "groups": {"part": piece},
        "images": [{"camera": "top", "path": f"{piece}.png"}],
        "signals": [{"sensor": "mic", "kind": "audio", "sample_rate_hz": 16000.0, "path": f"{piece}.wav"}],
        "modality_labels": {"image": label, "signal": label},
    }


def data_set(folder: Path, change: Callable[[list[Row]], None] = lambda rows: None) -> Path:
    """A manifest with which all is well, and the change; each recording has bytes of its own."""
    rows = rows_of()
    change(rows)
    rng = np.random.default_rng(RNG_SEED)
    for row in rows:
        for image in row["images"]:
            pixels = rng.integers(0, 255, (80, 80), np.uint8)
            (folder / image["path"]).exists() or (folder / image["path"]).write_bytes(image_file(".png", pixels))
        for signal in row["signals"]:
            counts = rng.integers(-9000, 9000, (4000, 1)).astype("<i2")
            (folder / signal["path"]).exists() or (folder / signal["path"]).write_bytes(wav(counts.tobytes()))
    path = folder / "manifest.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    return path
