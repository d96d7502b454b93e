"""Places that a command writes to at its end are tried before its work."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from inspector.cli import main
from inspector.cli.places import require_writable, require_writable_file
from tests.bundles import write_toy_bundle


@pytest.fixture
def blocked(tmp_path: Path) -> Path:
    """A place below a file: nobody can write there, root neither."""
    (tmp_path / "file").write_text("")
    return tmp_path / "file" / "result.json"


def test_a_place_below_a_file_is_named(blocked: Path) -> None:
    with pytest.raises(OSError, match="result") as raised:
        require_writable(None, blocked)
    assert raised.value.filename == str(blocked)


def test_folders_above_a_place_are_made_and_nothing_is_left_in_them(tmp_path: Path) -> None:
    require_writable(tmp_path / "a" / "b" / "result.json")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError) as raised:
        require_writable_file(tmp_path)
    assert raised.value.filename == str(tmp_path)


def test_evaluate_and_bench_say_it_before_they_judge(tmp_path: Path, blocked: Path) -> None:
    bundle = str(write_toy_bundle(tmp_path / "toy"))
    for command in (["evaluate", bundle, "none.jsonl", "--pieces"], ["bench", "engines", bundle, "--report"]):
        done = CliRunner().invoke(main, [*command, str(blocked)])
        assert (done.exit_code, "cannot be used" in done.output) == (1, True), done.output
        assert str(blocked) in done.output


@pytest.mark.train
@pytest.mark.parametrize(
    "command",
    [
        ("train", "none.jsonl", "--out", "bundle", "--report"),
        ("train", "none.jsonl", "--out", "bundle", "--checkpoint"),
        ("fit", "none.jsonl", "--good-only", "--out", "bundle", "--report"),
        ("distil", "none", "none.jsonl", "--expert", "top-full", "--out"),
    ],
    ids=lambda command: f"{command[0]} {command[-1]}",
)
def test_trainings_say_it_before_they_read_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blocked: Path, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, [*command, str(blocked)])
    assert (done.exit_code, "cannot be used" in done.output) == (1, True), done.output
