"""Channels that never change within a recording are a clock, or an input that is not connected."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from inspector.dataset.manifest import PieceRow, SignalRow
from inspector.dataset.survey import survey_files

RNG = np.random.default_rng(3)


def said(folder: Path, recordings: Sequence[np.ndarray]) -> list[str]:
    rows = []
    for number, samples in enumerate(recordings):
        np.save(folder / f"{number}.npy", samples.astype(np.float32))
        signal = SignalRow(sensor="acc", kind="vibration", sample_rate_hz=100.0, path=f"{number}.npy")
        rows.append(PieceRow(piece_id=str(number), signals=(signal,), split="train"))
    return [finding.text for finding in survey_files(folder, rows).odd]


def test_the_hour_and_the_minute_beside_two_axes_are_named(tmp_path: Path) -> None:
    recordings = [
        np.column_stack([np.full(50, hour), np.full(50, 16), RNG.normal(size=(50, 2))]) for hour in (8, 9, 10)
    ]
    (text,) = said(tmp_path, recordings)
    assert text.startswith("sensor acc: of its 4 channels, 1, 2 have one value throughout each of the 3 recordings")
    assert "--columns" in text


@pytest.mark.parametrize(
    "recordings",
    [
        [np.column_stack([np.zeros(50), RNG.normal(size=50)]), RNG.normal(size=(50, 2))],
        [np.zeros((50, 1)), np.zeros((50, 1))],
    ],
    ids=["quiet-once", "one-channel"],
)
def test_a_channel_that_is_quiet_once_and_a_single_one_are_not(tmp_path: Path, recordings: list[np.ndarray]) -> None:
    assert said(tmp_path, recordings) == []
