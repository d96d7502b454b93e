"""Files and folders that cannot be used: every command answers in a sentence with the file and a cure, and exit code 1,
never with a traceback."""

import os
from contextlib import nullcontext
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from inspector.cli import main
from inspector.cli.files import report_unusable_files
from tests.bundles import write_toy_bundle
from tests.texts import camera_recipe_text

SERVICE = """
lines = ["line-1"]
recipes = ["recipe.toml"]
[log]
"""
EMBEDDED = SERVICE + 'kind = "embedded"\npath = "{path}"\n'
KAFKA = SERVICE + 'kind = "kafka"\nbootstrap_servers = ["127.0.0.1:1"]\n'
RECIPE = camera_recipe_text(name="r")
DEEP = "x = " + "[" * 20_000 + "]" * 20_000


@pytest.fixture(autouse=True)
def _endless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that cannot start ends its process within `stop_budget_s`: here that is the process of the tests."""
    monkeypatch.setattr("inspector.cli.serving.ended_in_time", nullcontext)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def assert_said(result: Result, *words: str) -> None:
    """A message of our own: any other exception would be in `result.exception`."""
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code == 1, result.output
    for word in words:
        assert word in result.output.replace("\n", " "), result.output


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (DEEP.encode(), "nests its values too deep"),
        (b"x = " + b"{a=" * 5_000 + b"1" + b"}" * 5_000, "nests its values too deep"),
        (b".".join([b"a"] * 3_000) + b" = 1", "service.toml"),
        (b"max_record_bytes = " + b"9" * 5_000, "is not TOML: Exceeds the limit"),
        (b"[join]\nmax_delay_s = " + b"9" * 400, "service.toml"),
        (b"lines = ['\xff']", "is not UTF-8 (invalid start byte at byte 10)"),
        (b"\xff\xfe" + 'lines = ["a"]'.encode("utf-16-le"), "is UTF-16, as Notepad's"),
        (b"#" * 2**20 + b"\n", "has more than 1048576 bytes"),
        (b"\0", "is not TOML"),
        (None, "cannot be read (Is a directory)"),
    ],
    ids=[
        "arrays",
        "tables",
        "dotted",
        "5000-digits",
        "float",
        "latin-1",
        "utf-16",
        "huge",
        "nul",
        "folder",
    ],
)
@pytest.mark.parametrize("which", ["service.toml", "recipe.toml"])
def test_configurations_and_recipes(tmp_path: Path, which: str, content: bytes | None, words: str) -> None:
    files = {"service.toml": EMBEDDED.format(path="log.sqlite").encode(), "recipe.toml": RECIPE.encode()}
    for name, text in files.items():
        (tmp_path / name).write_bytes(text)
    (tmp_path / which).unlink()
    if content is None:
        (tmp_path / which).mkdir()
    else:
        (tmp_path / which).write_bytes(content)
    assert_said(run("check", tmp_path / "service.toml"), which, words.replace("service.toml", which))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (EMBEDDED.format(path="."), "is a folder; name the log's file in it"),
        (f"max_record_bytes = {10**400}\n" + EMBEDDED.format(path="l"), "max_record_bytes"),
        (EMBEDDED.format(path="l") + f"max_bytes = {10**400}", "log.max_bytes"),
        (EMBEDDED.format(path="l") + f"[join]\nmax_delay_s = {10**400}", "join.max_delay_s"),
        (EMBEDDED.format(path="loop/log"), "log.path"),
        (EMBEDDED.format(path="a\\u0000b"), "leads nowhere"),
        (EMBEDDED.format(path="recipe.toml/log"), "recipe.toml"),
        (KAFKA + '[log.sasl]\nusername = "u"\npassword_file = "none"', "is no file"),
        (KAFKA + '[log.sasl]\nusername = "u"\npassword_file = "loop"', "loop"),
        (KAFKA + '[log.sasl]\nusername = "u"\npassword_file = "latin"', "cannot be read (it is not UTF-8)"),
        (KAFKA + '[log.sasl]\nusername = "u"\npassword_file = "empty"', "is empty; write the password there"),
        (KAFKA + '[log.tls]\nca_file = "empty"', "TLS files"),
        (KAFKA + '[log.tls]\nca_file = "."', "is no file"),
        (EMBEDDED.format(path="l") + '[gateway.tls]\ncert = "loop"\nkey = "loop"', "gateway.tls.cert"),
        (EMBEDDED.format(path="l").replace("recipe.toml", ""), "names no file"),
        (EMBEDDED.format(path="l").replace("recipe.toml", "/"), "names no file"),
    ],
)
def test_files_that_a_configuration_names(tmp_path: Path, config: str, words: str) -> None:
    (tmp_path / "service.toml").write_text(config)
    (tmp_path / "recipe.toml").write_text(RECIPE)
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "latin").write_bytes(b"\xff")
    (tmp_path / "empty").write_bytes(b"")
    command = ["topics", "check", "--config"] if "kafka" in config else ["gateway", "--config"]
    assert_said(run(*command, tmp_path / "service.toml"), words)


@pytest.mark.parametrize("out", ["file", "file/below", "loop/below", "/proc/none"])
def test_folders_that_cannot_be_written(tmp_path: Path, out: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "loop").symlink_to("loop")
    place = tmp_path / out
    assert_said(run("simulate", "--pieces", 1, "--out", place), str(place), "name another file")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"\xff", "is not UTF-8"),
        (b"[" * 20_000, "manifest.jsonl:1"),
        (b'{"a":' * 20_000, "manifest.jsonl:1"),
        (b'{"piece_id": ' + b"9" * 5_000 + b"}", "manifest.jsonl:1"),
        (b"", "holds no piece"),
        (None, "cannot be read (Is a directory)"),
    ],
)
def test_manifests(tmp_path: Path, line: bytes | None, words: str) -> None:
    (tmp_path / "service.toml").write_text(EMBEDDED.format(path="log.sqlite"))
    (tmp_path / "recipe.toml").write_text(RECIPE)
    manifest = tmp_path / "manifest.jsonl"
    if line is None:
        manifest.mkdir()
    else:
        manifest.write_bytes(line)
    assert_said(run("replay", manifest, "--config", tmp_path / "service.toml"), "manifest.jsonl", words)


@pytest.mark.parametrize("content", [b"[" * 20_000, b'{"name":' * 20_000, b'{"name": ' + b"9" * 5_000 + b"}", b"\xff"])
def test_bundles(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "service.toml").write_text(EMBEDDED.format(path="log.sqlite"))
    (tmp_path / "recipe.toml").write_text(RECIPE)
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "bundle.json").write_bytes(content)
    assert_said(run("check", tmp_path / "service.toml"), "bundle.json")


def test_a_fault_without_a_file_shows_itself() -> None:
    with pytest.raises(ConnectionError), report_unusable_files():
        raise ConnectionError(os.strerror(104))


@pytest.mark.train
def test_a_place_for_results_is_tried_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text("no manifest")
    bundle = write_toy_bundle(tmp_path / "toy")
    assert_said(run("evaluate", bundle, manifest, "--report", tmp_path / "file" / "report"), "file/report: cannot be")
    assert_said(run("train", manifest, "--out", tmp_path / "file" / "bundle"), "cannot be used")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    assert_said(run("train", manifest, "--out", tmp_path / "mine"), "contains files that are no bundle")
