"""No message about a configuration repeats a password, wherever somebody wrote it."""

import traceback
from pathlib import Path

import pytest

from inspector.archive.opening import open_database
from inspector.archive.settings import ArchiveSettings
from inspector.config.service import load_service_config
from inspector.recipe.problems import ConfigError

LINE = """
lines = ["line-1"]
recipes = ["recipe.toml"]
[log]
kind = "embedded"
path = "log.sqlite"
"""
PLACES = {
    "database": '[archive]\ndatabase = "postgresql://u:hunter2@h/n"',
    "with a slash": '[archive]\ndatabase = "postgresql://u:a/hunter2@h/n"',
    "with an at sign": '[archive]\ndatabase = "postgresql://u:p@hunter2@h/n"',
    "with a space": '[archive]\ndatabase = "postgresql://u:a hunter2@h/n"',
    "in the query": '[archive]\ndatabase = "postgresql://u@h/n?sslmode=require&password=hunter2"',
    "of another kind": '[archive]\ndatabase = "mysql://u:hunter2@h/n"',
    "of no kind": '[archive]\ndatabase = "u:hunter2@h/n"',
    "wrong type": '[archive]\ndatabase = ["postgresql://u:hunter2@h/n"]',
    "store": '[recordings]\nstore = "s3://key:hunter2@bucket/folder"',
    "normalised": '[archive]\ndatabase = "postgresql://u:hunter2\u2100@h/n"',
    "a list of tables": '[archive]\ndatabase = [{password = "hunter2"}]',
    "unknown key": '[archive]\ndsn = "postgresql://u:hunter2@h/n"',
    "unknown list": '[archive]\ndsn = [[{url = "hunter2"}]]',
    "unknown secret": '[archive]\npasswd = "hunter2"',
    "api key": '[archive]\napi_key = "hunter2"',
}


@pytest.mark.parametrize("text", PLACES.values(), ids=PLACES)
def test_a_password_is_not_repeated(text: str, tmp_path: Path) -> None:
    path = tmp_path / "service.toml"
    path.write_text(LINE + text)
    with pytest.raises(ConfigError) as raised:
        load_service_config(path)
    assert "hunter2" not in "".join(traceback.format_exception(raised.value))


def test_a_port_that_is_no_number_is_told_without_the_address(tmp_path: Path) -> None:
    settings = ArchiveSettings(database="postgresql://u:hunter2@h:port/n")
    with pytest.raises(ConfigError, match="is no address of a database") as raised:
        open_database(tmp_path / "service.toml", settings)
    assert "hunter2" not in "".join(traceback.format_exception(raised.value))
