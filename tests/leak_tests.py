"""Writes a data set without a camera: pressure curves of leak tests, some of which fall."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspector.dataset.manifest import PieceRow, SignalRow, Split, write_manifest

RATE, NUM_SAMPLES = 10.0, 24
NUM: dict[Split, int] = {"train": 48, "calibration": 36, "test": 6}
CONFIG = """
name = "leak"
token_dim = 8
num_folds = 3
policy = "dense"
[head]
max_steps = 0
num_folds = 2
[[experts]]
type = "signal"
name = "pressure-profile"
modality = "pressure"
encoder = "trace_profile"
scaling = "none"
"""


def write_leak_tests(folder: Path) -> Path:
    """Returns the manifest; the curves lie beside it."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows = [_row(folder, rng, split, number) for split in NUM for number in range(NUM[split])]
    write_manifest(folder / "manifest.jsonl", rows)
    return folder / "manifest.jsonl"


def curve(rng: np.random.Generator, leaks: bool) -> NDArray[np.float32]:
    """Pressure in bar; with a leak it falls from the middle on."""
    values = rng.normal(0, 1, NUM_SAMPLES)
    values[NUM_SAMPLES // 2 :] -= 4.0 * leaks
    return values.astype(np.float32)


def _row(folder: Path, rng: np.random.Generator, split: Split, number: int) -> PieceRow:
    name, leaks = f"{split}-{number}", number % 3 == 0
    np.save(folder / f"{name}.npy", curve(rng, leaks))
    return PieceRow(
        piece_id=name,
        signals=(SignalRow(sensor="pressure", kind="trace", sample_rate_hz=RATE, path=f"{name}.npy"),),
        label="nok" if leaks else "ok",
        defects=("leak",) if leaks else (),
        split=split,
        groups={"piece": name},
    )
