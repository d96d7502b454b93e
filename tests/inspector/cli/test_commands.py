"""The command line: help without imports, exit codes, messages."""

import json
import logging
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import ModuleType

import click
import pytest
from click.testing import CliRunner, Result

from inspector.cli import COMMANDS, HEADINGS, main
from inspector.cli.logs import setup_logging
from inspector.cli.publishing import parse_silence
from inspector.dataset.manifest import read_manifest
from inspector.replay.faults import Silence
from streams.embedded import EmbeddedLog
from tests.texts import DEMO_RECIPE, service_text

DEPLOY = Path(__file__).parents[3] / "deploy"
CONFIG = service_text(DEMO_RECIPE)


@pytest.fixture(autouse=True)
def _restore_logging() -> object:
    root = logging.getLogger()
    before = (root.level, root.handlers[:])
    yield
    root.setLevel(before[0])
    root.handlers[:] = before[1]


def call(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, list(arguments))
    return result.exit_code, result.output


def test_help_lists_every_command_and_imports_neither_models_nor_broker_clients() -> None:
    program = (
        "import sys; from inspector.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print([m for m in ('torch', 'kafka', 'onnxruntime', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("[]")
    assert all(name in done.stdout for name in COMMANDS)


HELP_AND_ERRORS = """
import sys
from click.testing import CliRunner
from inspector.cli import COMMANDS, main
for name in COMMANDS:
    assert CliRunner().invoke(main, [name, "--help"]).exit_code == 0, name
for words, code in (
    (["train", "m.jsonl"], 2),
    (["train", "m.jsonl", "--out", "b", "--config", "none.toml"], 1),
    (["train", "m.jsonl", "--out", "b", "--weights", "none"], 2),
    (["fit", "m.jsonl", "--out", "b"], 2),
    (["adapt", "c", "m.jsonl", "--out", "b"], 2),
    (["data", "check", "none.jsonl"], 1),
):
    assert CliRunner().invoke(main, words).exit_code == code, words
print(sorted({"torch", "torchvision", "timm", "peft", "scipy", "sklearn", "mapie", "librosa"} & sys.modules.keys()))
"""


def test_help_and_errors_of_arguments_import_nothing_of_the_training_half(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HELP_AND_ERRORS]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


def test_help_lists_each_command_under_its_heading() -> None:
    _, output = call("--help")
    sections = {section.partition(" (")[0]: section for section in output.split("\n\n")}
    for name, (_, text, heading) in COMMANDS.items():
        (line,) = [line for line in sections[heading].splitlines() if line.split()[0] == name]
        assert line.split(maxsplit=1)[1][:20] == text[:20]
    assert set(HEADINGS) <= sections.keys()


def test_a_command_with_a_dash_in_its_name_is_a_function_with_an_underscore(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("with_a_dash")
    module.add_user = click.Command("add-user", callback=lambda: click.echo("added"))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "with_a_dash", module)
    monkeypatch.setattr("inspector.cli.COMMANDS", {"add-user": ("with_a_dash", "Adds a user.", "Operate")})
    assert call("add-user") == (0, "added\n")


@pytest.mark.parametrize(
    "name", ["check", "demo", "doctor", "feedback", "replay", "simulate", "source", "topics", "verdict", "watch"]
)
def test_every_command_explains_itself(name: str) -> None:
    code, output = call(name, "--help")
    assert (code, "Usage:" in output) == (0, True)


@pytest.mark.parametrize(("lacks", "says"), [("timm", "needs timm"), ("mqtt_of_others", "install inspector again")])
def test_a_package_that_is_missing_while_a_command_runs_is_named(
    lacks: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = _run_without(lacks, monkeypatch)
    assert result.exit_code == 1
    assert says in result.output


def test_a_module_of_the_program_that_is_missing_shows_its_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(_run_without("inspector.training.absent", monkeypatch).exception, ModuleNotFoundError)


def _run_without(module: str, monkeypatch: pytest.MonkeyPatch) -> Result:
    """Runs a command that lacks this module."""

    def fail() -> None:
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    replaced = ModuleType("replaced")
    replaced.doctor = click.Command("doctor", callback=fail)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, COMMANDS["doctor"][0], replaced)
    return CliRunner().invoke(main, ["doctor"])


def test_an_unknown_command_is_a_usage_error() -> None:
    code, output = call("simulte")
    assert code == 2
    assert "simulte" in output


def test_check_ends_with_1_and_all_problems(tmp_path: Path) -> None:
    path = tmp_path / "service.toml"
    path.write_text(CONFIG + "[join]\nmax_delay = 1\n[worker]\nthreads = 0")
    code, output = call("check", str(path))
    assert code == 1
    assert "2 problem(s)" in output
    assert "did you mean 'max_delay_s'?" in output


def test_topics_of_an_embedded_log_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "service.toml"
    path.write_text(CONFIG)
    code, output = call("topics", "check", "--config", str(path))
    assert code == 1
    assert "is no Kafka log" in output


def test_simulate_wants_exactly_one_goal(tmp_path: Path) -> None:
    assert call("simulate")[0] == 2
    assert call("simulate", "--out", str(tmp_path), "--config", "x")[0] == 2


def test_a_simulated_dataset_is_replayed_into_the_log(tmp_path: Path) -> None:
    (tmp_path / "service.toml").write_text(CONFIG)
    code, output = call("simulate", "--out", str(tmp_path / "data"), "--pieces", "10", "--seed", "3")
    assert code == 0, output
    manifest, truth = tmp_path / "data" / "manifest.jsonl", tmp_path / "truth.jsonl"
    options = ["--config", str(tmp_path / "service.toml"), "--rate", "40", "--truth", str(truth), "--split", "test"]
    code, output = call("replay", str(manifest), *options)
    assert code == 0, output
    assert "spread over 2 stations" in output
    assert "2 CameraFrame, 2 PieceEvent" in output
    rows = [json.loads(line) for line in truth.read_text().splitlines()]
    assert [row["piece_id"] for row in rows] == [row.piece_id for row in read_manifest(manifest, "test")]
    with closing(EmbeddedLog(tmp_path / "log.sqlite").source(["line-1"], "inspection", "t")) as source:
        types = [record.type for _ in range(3) for record in source.poll(0.1).records]
    assert types.count("inspection.v1.CameraFrame") == 2
    assert not any("ruth" in kind for kind in types)


def test_a_manifest_that_does_not_fit_the_recipes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "service.toml").write_text(CONFIG)
    (tmp_path / "manifest.jsonl").write_text(
        '{"piece_id": "a", "split": "test", "images": [{"camera": "side", "path": "a.png"}]}\n'
    )
    code, output = call("replay", str(tmp_path / "manifest.jsonl"), "--config", str(tmp_path / "service.toml"))
    assert code == 1
    assert "the pieces bring side" in output


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mic:20:23", Silence("mic", 20.0, 23.0)),
        ("station-2/mic:0:0.5", Silence("mic", 0.0, 0.5, "station-2")),
    ],
)
def test_silences_are_read(text: str, expected: Silence) -> None:
    assert parse_silence(text) == expected


@pytest.mark.parametrize("text", ["mic", "mic:3", "mic:3:2", ":1:2", "mic:a:b"])
def test_silences_that_cannot_be_read_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "service.toml").write_text(CONFIG)
    assert call("simulate", "--config", str(tmp_path / "service.toml"), "--silent", text)[0] == 2


def test_logs_are_lines_or_json(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging("info", as_json=False)
    logging.getLogger("inspector.test").warning("seven %s", "pieces")
    assert capsys.readouterr().err.endswith(" WARNING inspector.test: seven pieces\n")
    setup_logging("warning", as_json=True)
    logging.getLogger("inspector.test").info("not shown")
    logging.getLogger("inspector.test").warning("seven")
    entry = json.loads(capsys.readouterr().err)
    assert (entry["level"], entry["logger"], entry["message"]) == ("warning", "inspector.test", "seven")
