"""A folder on the command line stands for the manifest in it."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from inspector.cli import main
from inspector.cli.manifest_option import MANIFEST


def test_a_folder_stands_for_its_manifest(tmp_path: Path) -> None:
    file = tmp_path / "manifest.jsonl"
    assert MANIFEST.convert(str(tmp_path), None, None) == tmp_path
    file.write_text("")
    assert MANIFEST.convert(str(tmp_path), None, None) == file
    assert MANIFEST.convert(str(file), None, None) == file


@pytest.mark.parametrize("command", [("replay",), ("data", "split")], ids=" ".join)
def test_commands_take_the_folder(tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "manifest.jsonl").write_text('{"lable": "ok"}\n')
    more = ["--config", str(tmp_path / "none.toml")] if command == ("replay",) else []
    done = CliRunner().invoke(main, [*command, str(tmp_path), *more])
    assert (done.exit_code, f"{tmp_path}/manifest.jsonl:1: " in done.output) == (1, True), done.output
    assert "did you mean 'label'?" in done.output
