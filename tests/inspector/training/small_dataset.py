"""Writes a manifest of small maps and traces on which kernel machines train in a moment."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.dataset.manifest import ImageRow, Label, PieceRow, SignalRow, Split, write_manifest
from inspector.training.config import Acceptance, HeadFitting, ImageExpert, SignalExpert, TrainConfig
from inspector.training.trainer import TrainOptions

SIDE_PX, NUM_SAMPLES = 48, 24
NUM: dict[Split, int] = {"train": 48, "calibration": 36, "test": 8}
CONFIG = TrainConfig(
    token_dim=8,
    num_folds=3,
    policy="dense",
    head=HeadFitting(max_steps=0, num_folds=2),
    acceptance=Acceptance(certify_miss_rate=0.008),
    experts=(
        ImageExpert(
            name="top-rings", modality="top", scout=True, encoder="rings", readout="kernel",
            height_px=SIDE_PX, width_px=SIDE_PX, interpolation="nearest",
        ),
        SignalExpert(name="mic-profile", modality="mic", encoder="trace_profile", scaling="none"),
    ),
)  # fmt: skip
OPTIONS = TrainOptions(seed=0)


def write_small_dataset(folder: Path, strange: bool = False, num_test: int = NUM["test"]) -> Path:
    """Every third map has a blot, every third trace a step; `strange`: some pieces are defective without either."""
    rng = np.random.default_rng(0)
    sizes: dict[Split, int] = {**NUM, "test": num_test}
    rows = [_row(folder, rng, split, number, strange) for split, num in sizes.items() for number in range(num)]
    write_manifest(folder / "manifest.jsonl", rows)
    return folder / "manifest.jsonl"


def _row(folder: Path, rng: np.random.Generator, split: Split, number: int, strange: bool) -> PieceRow:
    name, blot, step = f"{split}-{number}", bool(rng.random() < 0.33), bool(rng.random() < 0.33)
    cv2.imwrite(str(folder / f"{name}.png"), die_map(rng, blot))
    trace = rng.normal(0, 1, NUM_SAMPLES).astype(np.float32)
    trace[NUM_SAMPLES // 2 :] += 2.5 * step
    np.save(folder / f"{name}.npy", trace)
    labels: list[Label] = ["nok" if bad else "ok" for bad in (blot, step)]
    lacks = number == 5
    return PieceRow(
        piece_id=name,
        images=(ImageRow(camera="top", path=f"{name}.png"),),
        signals=() if lacks else (SignalRow(sensor="mic", kind="trace", sample_rate_hz=10, path=f"{name}.npy"),),
        label="nok" if blot or (step and not lacks) or (strange and number % 7 == 0) else "ok",
        split=split,
        groups={"image": f"i{name}", "signal": f"s{name}"},
        modality_labels={"image": labels[0], "signal": labels[1]},
    )


def die_map(rng: np.random.Generator, blot: bool) -> NDArray[np.uint8]:
    """Dies that passed (128) or failed (255)."""
    dies = np.where(rng.random((SIDE_PX, SIDE_PX)) < 0.05, 255, 128).astype(np.uint8)
    if blot:
        top, left = rng.integers(0, SIDE_PX - 12, 2)
        dies[top : top + 10, left : left + 10] = 255
    return dies


def report(stage: str, done: int, total: int) -> None:
    """Progress of a training, checked."""
    assert stage
    assert 0 < done <= total
