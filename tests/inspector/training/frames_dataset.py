"""Writes a manifest of pieces that one camera sees in three small maps; a blot shows in the second alone."""

from pathlib import Path

import cv2
import numpy as np

from inspector.dataset.manifest import ImageRow, PieceRow, Split, write_manifest
from inspector.training.config import Acceptance, HeadFitting, ImageExpert, TrainConfig
from tests.inspector.training.small_dataset import SIDE_PX, die_map

NUM_FRAMES, SHOWN = 3, 1
NUM: dict[Split, int] = {"train": 60, "calibration": 48, "test": 24}
RINGS = ImageExpert(
    name="top-rings", modality="top", scout=True, encoder="rings", readout="kernel",
    height_px=SIDE_PX, width_px=SIDE_PX, interpolation="nearest",
)  # fmt: skip
CONFIG = TrainConfig(
    token_dim=8,
    num_folds=3,
    policy="dense",
    refit="never",
    head=HeadFitting(max_steps=0, num_folds=2),
    acceptance=Acceptance(certify_miss_rate=0.2),
    experts=(RINGS,),
)


def write_frames(folder: Path) -> Path:
    """Every third piece is defective."""
    rng = np.random.default_rng(0)
    rows = [_row(folder, rng, split, number) for split in NUM for number in range(NUM[split])]
    write_manifest(folder / "manifest.jsonl", rows)
    return folder / "manifest.jsonl"


def _row(folder: Path, rng: np.random.Generator, split: Split, number: int) -> PieceRow:
    name, bad = f"{split}-{number}", number % 3 == 0
    paths = [f"{name}-{frame}.png" for frame in range(NUM_FRAMES)]
    for frame, path in enumerate(paths):
        cv2.imwrite(str(folder / path), die_map(rng, bad and frame == SHOWN))
    return PieceRow(
        piece_id=name,
        images=tuple(ImageRow(camera="top", path=path) for path in paths),
        label="nok" if bad else "ok",
        split=split,
        groups={"piece": name},
    )
