"""`inspector parity`: engines that agree (as a process on a box without torch), disagree, or are absent."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from inspector.cli import main
from inspector.dataset.manifest import Label
from inspector.parity.schema import Prediction
from tests.bundles import save_expert, write_toy_bundle
from tests.inspector.parity.toy_set import toy_pieces, write_toy_set
from tests.standins.gpus import quantised

ROOT = Path(__file__).parents[3]
MODULE = "tests.integration.without_training"


def run(*arguments: str | Path) -> Result:
    done = CliRunner().invoke(main, ["parity", *map(str, arguments)])
    assert done.exception is None or isinstance(done.exception, SystemExit), "an error that no user understands"
    return done


def run_without_torch(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", MODULE, "parity", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def two_flips(index: int, prediction: Prediction) -> tuple[Label, Prediction]:
    return "ok", prediction.model_copy(update={"decision": "FAIL"}) if index < 2 else prediction


def two_lower(index: int, prediction: Prediction) -> tuple[Label, Prediction]:
    """Scores, not decisions: a recipe decides again."""
    return "ok", prediction.model_copy(update={"score": 0.001}) if index in (8, 10) else prediction


def test_engines_that_agree_pass_without_torch(tmp_path: Path) -> None:
    write_toy_set(tmp_path / "toy", toy_pieces(20))
    done = run_without_torch(tmp_path / "toy", "--engine", "onnx", "--report", tmp_path / "report.json")
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
    assert "onnx/fp32: passed: 0 of 20 decisions flip (allowed: 1)" in done.stdout
    assert "The set has 20 of 900 calibration pieces, fewer than the 300 expected" in done.stdout
    (entry,) = json.loads((tmp_path / "report.json").read_text())
    assert (entry["engine"], entry["passed"], entry["num_pieces"]) == ("onnx/fp32", True, 20)


def test_an_engine_that_does_not_is_refused_by_exit_code_with_the_pieces(tmp_path: Path) -> None:
    write_toy_set(tmp_path / "toy", toy_pieces(20), two_flips)
    done = run(tmp_path / "toy", "--engine", "onnx")
    assert done.exit_code == 1
    assert "onnx/fp32: REFUSED: 2 of 20 decisions flip" in done.stdout
    assert "p0 (ok): FAIL 0." in done.stdout
    assert "p1 (ok): FAIL 0." in done.stdout


def test_the_limit_is_the_recipes(tmp_path: Path) -> None:
    """Its pass_below makes FAIL of nothing, and PASS of two pieces that are said to have scored lower than here."""
    write_toy_set(tmp_path / "toy", toy_pieces(20), two_lower)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        'name = "cup"\nversion = "1"\nbundle = "toy"\nparity_max_flips = 0.1\npass_below = 0.01\nfail_above = 1.0\n'
        '[[cameras]]\nname = "top"\n[[sensors]]\nname = "mic"\nkind = "audio"\nsample_rate_hz = 100.0\nbind = "piece"\n'
    )
    assert (
        "onnx/fp32: passed: 2 of 20 decisions flip (allowed: 2)"
        in run(tmp_path / "toy", "--engine", "onnx", "--recipe", recipe).stdout
    )


def test_an_altered_compiled_file_is_not_run(tmp_path: Path) -> None:
    """It decides as before, and is another file than the one that was compiled."""
    folder = tmp_path / "toy"
    write_toy_set(folder, toy_pieces(20))
    quantised(folder, gain=16)
    assert run(folder, "--engine", "onnx/int8").exit_code == 0
    save_expert(folder / "full.onnx.int8.onnx", 17)
    done = run(folder, "--engine", "onnx/int8")
    assert done.exit_code == 1
    assert "onnx/int8: cannot run here: file 'full.onnx.int8.onnx' has SHA-256" in done.stdout


def altered(folder: Path) -> Path:
    path = write_toy_set(folder, toy_pieces(5)).path
    path.write_bytes(path.read_bytes()[:-1])
    return folder


@pytest.mark.parametrize(
    ("make", "engine", "message"),
    [
        (write_toy_bundle, "onnx", "has no parity set, so torch's decisions are not known; export it again"),
        (altered, "onnx", "file 'parity.zip' has SHA-256"),
        (
            lambda folder: write_toy_set(folder, toy_pieces(5)).path.parent,
            "tensorrt",
            "has no tensorrt: it has onnx/fp32, openvino/fp32; make it by `inspector compile`",
        ),
    ],
)
def test_what_cannot_be_checked_is_said(tmp_path: Path, make: object, engine: str, message: str) -> None:
    assert callable(make)
    done = run(make(tmp_path / "toy"), "--engine", engine)
    assert done.exit_code == 1
    assert message in done.stdout + done.stderr
