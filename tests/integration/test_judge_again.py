"""Pieces of the demo line, kept by the floor's parts, are judged again from the archive with equal verdicts.

`python -m tests.integration.judge_again_run --pieces 500` is the long form.
"""

from pathlib import Path

from click.testing import CliRunner

from inspector.cli import main
from tests.integration.judge_again_run import run


def test_kept_pieces_judged_again_get_equal_verdicts(tmp_path: Path) -> None:
    report, num_verdicts = run(tmp_path, 40, rate_hz=24.0)
    assert num_verdicts == 40
    assert len(report.verdicts) + len(report.skipped) == num_verdicts
    assert len(report.verdicts) > 30, report.skipped
    assert report.different == []
    assert report.largest_score_difference < 1e-6
    shown = CliRunner().invoke(main, ["archive", "judge-again", "--config", str(tmp_path / "service.toml")])
    assert f"{len(report.verdicts)} judged again, 0 different" in shown.output
    assert shown.exit_code == 0
