"""Recordings replayed through the broker are judged as `inspector evaluate` judges their files."""

from pathlib import Path

import pytest

from inspector.simulation.dataset import write_dataset
from inspector.simulation.pieces import LineSettings
from tests.benchmarks.real_line import run
from tests.benchmarks.setting import ROOT

pytestmark = [pytest.mark.broker, pytest.mark.train]


def test_the_line_decides_as_the_files_do(bootstrap: str, tmp_path: Path) -> None:
    manifest = write_dataset(tmp_path / "set", 120, LineSettings(seed=5))
    comparison = run(tmp_path, bootstrap, "simulated", ROOT / "deploy/bundles/demo", manifest, rate=12.0)
    assert (comparison.pieces, comparison.verdicts, comparison.doubled, comparison.missing, comparison.differing) == (
        24,
        24,
        0,
        (),
        (),
    )
    assert len(comparison.tipped) <= 1
    assert comparison.largest_score_difference < 1e-5
    assert comparison.accuracy["line"] == comparison.accuracy["files"]
    assert min(comparison.decisions["line"]["PASS"], comparison.decisions["line"]["FAIL"]) > 0
