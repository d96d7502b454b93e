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


def test_a_channel_that_is_quiet_once_is_not(tmp_path: Path) -> None:
    assert said(tmp_path, [np.column_stack([np.zeros(50), RNG.normal(size=50)]), RNG.normal(size=(50, 2))]) == []


@pytest.mark.parametrize("num_channels", [1, 2])
@pytest.mark.parametrize("value", [0.0, 3.5])
def test_a_recording_in_which_nothing_changes_is_named(tmp_path: Path, num_channels: int, value: float) -> None:
    (text,) = said(tmp_path, [RNG.normal(size=(50, num_channels)), np.full((50, num_channels), value)])
    assert text.startswith("sensor acc: 1 of 2 recordings have one value throughout, the first is 1.npy: was the ")


def test_a_sensor_that_never_changes_gets_one_sentence(tmp_path: Path) -> None:
    (text,) = said(tmp_path, [np.zeros((50, 2)), np.zeros((50, 2))])
    assert "2 of 2 recordings have one value throughout" in text
