"""One piece has one verdict, by `evaluate`, by `replay` through the log and by `Inspect`; see `same_verdicts`."""

from pathlib import Path

import pytest

pytest.importorskip("inspector.cli.training", reason="needs the training half")

from tests.integration.same_verdicts import run

pytestmark = pytest.mark.train


@pytest.mark.timeout(170)
def test_thirty_pieces_with_losses_are_judged_alike(tmp_path: Path) -> None:
    report = run(tmp_path, "embedded", 30, seed=3)
    assert report.differences == {"replay": [], "inspect": []}
    assert (report.line_verdicts, report.doubled) == (report.pieces, 0)
    assert report.pieces == 30
    assert {"REVIEW NO_IMAGE", "REVIEW MISSING_MODALITY", "FAIL DEFECT", "PASS GOOD"} <= report.reasons.keys()
