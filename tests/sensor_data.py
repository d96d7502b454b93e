"""Writes a data set without a camera: accelerometer windows of bearings, some with a fault that rings."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspector.dataset.manifest import PieceRow, SignalRow, Split, write_manifest

RATE_HZ, NUM_SAMPLES, SENSOR = 4000.0, 1000, "acc"
NUM: dict[Split, int] = {"train": 40, "calibration": 40, "test": 12}


def write_bearings(folder: Path) -> Path:
    """Writes recordings and manifest; returns the manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    rows = [_row(folder, rng, split, number) for split in NUM for number in range(NUM[split])]
    write_manifest(folder / "manifest.jsonl", rows)
    return folder / "manifest.jsonl"


def _row(folder: Path, rng: np.random.Generator, split: Split, number: int) -> PieceRow:
    name, is_bad = f"{split}-{number}", number % 3 == 0
    np.save(folder / f"{name}.npy", vibration(rng, is_bad))
    return PieceRow(
        piece_id=name,
        signals=(SignalRow(sensor=SENSOR, kind="vibration", sample_rate_hz=RATE_HZ, path=f"{name}.npy"),),
        label="nok" if is_bad else "ok",
        defects=("outer_ring",) if is_bad else (),
        split=split,
        groups={"bearing": name},
    )


def vibration(rng: np.random.Generator, is_bad: bool) -> NDArray[np.float32]:
    """A quarter of a second; a fault rings at 900 Hz, 40 times a second."""
    times_s = np.arange(NUM_SAMPLES) / RATE_HZ
    samples = 0.05 * rng.normal(size=NUM_SAMPLES) + 0.05 * np.sin(2 * np.pi * 50 * times_s)
    if is_bad:
        phase_s = (times_s + rng.random() / 40) % (1 / 40)
        samples += 0.6 * np.exp(-phase_s * 300) * np.sin(2 * np.pi * 900 * phase_s)
    return samples.astype(np.float32)
