"""`inspector check --keys` tells which kind of file it is given, and lists the keys of that kind."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from inspector.cli import main

ROOT = Path(__file__).parents[3]


def listed(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["check", "--keys", *arguments])
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("file", "kind", "key"),
    [
        ("deploy/demo/service.toml", "configuration of a service", "max_delay_s: number, above 0"),
        ("deploy/examples/kafka.toml", "configuration of a service", "bootstrap_servers: list of texts, not empty"),
        ("deploy/recipes/demo.toml", "recipe", "deadline_s: number, above 0, in s, default 2"),
        ("deploy/demo/train.toml", "configuration of a training", "num_folds: whole number, at least 2"),
        ("deploy/bundles/demo/bundle.json", "bundle", "cost_ms: number, at least 0, in ms, required"),
    ],
)
def test_the_keys_of_each_kind_of_file_are_listed(file: str, kind: str, key: str) -> None:
    exit_code, output = listed(str(ROOT / file))
    assert exit_code == 0
    assert f"is a {kind}" in output
    assert key in output


def test_a_file_with_mistakes_is_explained_too(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text('name = "no name!"\ncamera = []\nbundle = 3\n')
    exit_code, output = listed(str(tmp_path / "recipe.toml"))
    assert exit_code == 0
    assert "is a recipe" in output


@pytest.mark.parametrize("text", ["x = 1\n", "", "not toml"])
def test_a_file_of_no_kind_is_refused_in_words(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.toml").write_text(text)
    exit_code, output = listed(str(tmp_path / "x.toml"))
    assert exit_code == 1
    assert "x.toml" in output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("train.toml", "configuration of a training"),
        ("recipe.toml", "recipe"),
        ("service.toml", "configuration of a service"),
    ],
)
@pytest.mark.parametrize("exists", [False, True])
def test_a_file_without_a_key_yet_is_recognised_by_its_name(tmp_path: Path, name: str, kind: str, exists: bool) -> None:
    if exists:
        (tmp_path / name).touch()
    exit_code, output = listed(str(tmp_path / name))
    assert exit_code == 0
    assert f"is a {kind}" in output
