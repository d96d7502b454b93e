"""`inspector bench engines` on a box without torch: its table, its files and its errors."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from inspector.cli import main
from tests.bundles import write_toy_bundle
from tests.inspector.parity.toy_set import toy_pieces, write_toy_set

ROOT = Path(__file__).parents[3]
QUICK = ("--engine", "onnx", "--batches", "1,2", "--rates", "100", "--seconds", "0.1")


def test_without_torch_it_prints_its_table_and_writes_both_files(tmp_path: Path) -> None:
    write_toy_set(tmp_path / "toy", toy_pieces(20))
    files = ("--report", str(tmp_path / "report.json"), "--report", str(tmp_path / "report.md"))
    command = [sys.executable, "-m", "tests.integration.without_training", "bench", "engines", str(tmp_path / "toy")]
    done = subprocess.run([*command, *QUICK, *files], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Engines of toy 1" in done.stdout
    assert "0 of 20 (at most 14 %)" in done.stdout
    assert "graphs" in done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert {(row["part"], row["batch"]) for row in report["graphs"]} >= {("mic-ear", 1), ("mic-ear", 2), ("head", 2)}
    assert all(row["memory"]["held_bytes"] > 0 for row in report["graphs"] if sys.platform == "linux")
    assert report["line"][0]["num_left"] == 0
    assert (tmp_path / "report.md").read_text().startswith("# Engines of toy 1\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--batches", "1,two"), "expected positive numbers with commas in between"),
        (("--batches", "1.5"), "expected positive numbers with commas in between"),
        (("--rates", "12,0"), "expected positive numbers with commas in between"),
        (("--seconds", "0"), "0.0 is not in the range x>0"),
        (("--report", "report.txt"), "the name must end in .json or .md"),
        (("--engine", "tensorrt"), "the bundle has no tensorrt: it has onnx/fp32, openvino/fp32"),
    ],
)
def test_what_cannot_be_is_said(tmp_path: Path, words: tuple[str, str], message: str) -> None:
    done = CliRunner().invoke(main, ["bench", "engines", str(write_toy_bundle(tmp_path / "toy")), *words])
    assert done.exit_code != 0
    assert message in done.output


def test_a_folder_that_is_no_bundle_is_named(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["bench", "engines", str(tmp_path)])
    assert (done.exit_code, "a folder made by" in done.output) == (1, True)
