"""`inspector init` writes a recipe and a configuration that pass `inspector check`."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from inspector.cli import main
from inspector.config.service import load_service
from inspector.config.tables import KafkaTable
from inspector.recipe.recipes import load_recipe
from tests.bundles import Toy, edit_manifest, write_toy_bundle

DEMO = Path("deploy/bundles/demo").resolve()


def called(*words: object) -> Result:
    return CliRunner().invoke(main, list(map(str, words)))


def test_the_demos_bundle_gets_files_that_pass_the_check(tmp_path: Path) -> None:
    done = called("init", DEMO, "--out", tmp_path / "line")
    assert done.exit_code == 0, done.output
    checked = called("check", tmp_path / "line/service.toml")
    assert "nothing wrong" in checked.output, checked.output
    recipe = load_recipe(tmp_path / "line/recipe.toml").recipe
    assert [camera.name for camera in recipe.cameras] == ["top"]
    (mic,) = recipe.sensors
    assert (mic.sample_rate_hz, mic.num_channels, mic.end_s) == (16000.0, 1, 0.25)
    assert "crack, dent, scratch" in (tmp_path / "line/recipe.toml").read_text()


@pytest.mark.parametrize("only", ["mic", "top"])
def test_bundles_of_one_kind_get_files_that_pass_the_check(tmp_path: Path, only: str) -> None:
    bundle = write_toy_bundle(tmp_path / "toy", Toy(only=only))
    assert called("init", bundle, "--out", tmp_path / "line").exit_code == 0
    checked = called("check", tmp_path / "line/service.toml")
    assert "nothing wrong" in checked.output, checked.output
    opening = "its first frame, or an event" if only == "top" else "send `entered` for each piece"
    assert opening in checked.output


def test_a_traces_recipe_says_what_opens_a_piece(tmp_path: Path) -> None:
    bundle = write_toy_bundle(tmp_path / "toy", Toy(only="mic"))
    edit_manifest(bundle, {"modalities": [{"name": "mic", "kind": "trace"}]})
    assert called("init", bundle, "--out", tmp_path).exit_code == 0
    assert 'bind = "piece"' in (tmp_path / "recipe.toml").read_text()
    assert "A trace opens its piece too" in (tmp_path / "recipe.toml").read_text()
    assert "a trace that waited 1 s for one" in called("check", tmp_path / "service.toml").output


def test_a_broker_can_be_named(tmp_path: Path) -> None:
    done = called("init", DEMO, "--out", tmp_path, "--kafka", "kafka-1:9092", "--line", "hall-2")
    assert done.exit_code == 0, done.output
    assert f"inspector topics create --config {tmp_path / 'service.toml'}" in done.output
    config = load_service(tmp_path / "service.toml").config
    assert isinstance(config.log, KafkaTable)
    assert config.log.bootstrap_servers == ("kafka-1:9092",)
    assert config.lines == ("hall-2",)


@pytest.mark.parametrize("name", ["recipe.toml", "service.toml"])
def test_no_file_is_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    done = called("init", DEMO, "--out", tmp_path)
    assert done.exit_code == 1
    assert f"{tmp_path / name} exists already" in done.output
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize("options", [("--line", "hall 2"), ("--kafka", "nowhere")])
def test_a_wrong_option_leaves_no_files(tmp_path: Path, options: tuple[str, str]) -> None:
    done = called("init", DEMO, "--out", tmp_path, *options)
    assert done.exit_code == 1
    assert options[1] in done.output
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_bundle_is_said(tmp_path: Path) -> None:
    done = called("init", tmp_path, "--out", tmp_path / "line")
    assert done.exit_code == 1
    assert "Error: " in done.output
    assert not (tmp_path / "line").exists()
