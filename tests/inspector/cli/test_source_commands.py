"""`inspector source`: what the commands print, and what they refuse."""

import socket
import sys
import urllib.request
from contextlib import closing
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from inspector.cli import main
from inspector.sources.folder import FolderCounts, FolderSource
from streams.embedded import EmbeddedLog
from tests.inspector.sources.places import png, write_video
from tests.servers.process import free_port
from tests.texts import recipe_text, service_text

CONFIG = service_text("cup.toml")
RECIPE = recipe_text(keys='product = "a"', rate_hz=8000, end_s=0.05, sensor="required = false")
SOURCES = ("camera", "folder", "genicam", "microphone", "replay", "rtsp")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "service.toml").write_text(CONFIG)
    (tmp_path / "cup.toml").write_text(RECIPE)
    return tmp_path / "service.toml"


def source(*words: str | Path, text: str = "") -> Result:
    return CliRunner().invoke(main, ["source", *map(str, words)], input=text)


def types(config: Path) -> list[str]:
    log = EmbeddedLog(config.with_name("log.sqlite"))
    with closing(log), closing(log.source(["line-1"], "inspection", "t")) as records:
        read = [record for _ in range(5) for record in records.poll(0.05).records]
    return sorted(record.type.removeprefix("inspection.v1.") for record in read)


def test_help_lists_every_source_and_begins_with_examples() -> None:
    output = source("--help").output
    assert all(f"  {name} " in output for name in SOURCES)
    assert output.index("inspector source folder incoming --config service.toml") < output.index("Sources:")


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_has_an_example(name: str) -> None:
    done = source(name, "--help")
    assert (done.exit_code, f"inspector {'' if name == 'replay' else 'source '}{name} " in done.output) == (0, True)


def test_source_replay_is_the_command_replay() -> None:
    context = click.Context(main)
    group = main.get_command(context, "source")
    assert isinstance(group, click.Group)
    assert group.get_command(context, "replay") is main.get_command(context, "replay")


@pytest.mark.parametrize("places", [(), ("--config", "service.toml", "--kafka", "127.0.0.1:9092")])
def test_a_source_wants_exactly_one_log(places: tuple[str, ...]) -> None:
    done = source("camera", "0", *places)
    assert (done.exit_code, "give one of --config service.toml and --kafka HOST:PORT" in done.output) == (2, True)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--camera", "top"), "name it with --line"),
        (("--line", "line-1"), "1 device(s) and 0 name(s)"),
        (("--line", "line-1", "--camera", "t p"), "'t p' is no name"),
    ],
)
def test_without_a_configuration_line_and_cameras_must_be_named(words: tuple[str, ...], problem: str) -> None:
    done = source("camera", "0", "--kafka", "127.0.0.1:9092", *words)
    assert (done.exit_code, problem in done.output) == (1, True), done.output


def test_a_folder_is_published_once_and_nothing_again(config: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "p1_top.png").write_bytes(png())
    words = ("folder", tmp_path / "in", "--config", config, "--once", "--poll", "0.05")
    first, second = source(*words), source(*words)
    assert "published 1 pieces of 1 files, 1 incomplete pieces on line-1/station-1" in first.output
    assert (
        "published 0 pieces of 0 files, 1 files of an earlier run not sent again on line-1/station-1" in second.output
    )
    assert types(config) == ["CameraFrame", "PieceEvent"]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--done", "in/done"), "lies in the watched folder"),
        (("--pattern", "{piece}"), "without {source} nobody knows"),
        (("--large-to", "/frames"), "below none of [references] allowed_prefixes"),
    ],
)
def test_what_cannot_work_in_a_folder_is_refused_before_the_first_file(
    config: Path, tmp_path: Path, words: tuple[str, ...], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    done = source("folder", "in", "--config", config, "--once", *words)
    assert (done.exit_code, problem in done.output) == (1, True), done.output


def test_a_folder_that_is_not_there_is_named(config: Path, tmp_path: Path) -> None:
    done = source("folder", tmp_path / "gone", "--config", config, "--once")
    assert (done.exit_code, "is no folder; make it, or correct the path" in done.output) == (1, True)


def test_lines_on_standard_input_are_pieces(config: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.avi", 40)
    words = ("rtsp", video, "--again", "--stdin", "--wait", "60", "--config", config)
    done = source(*words, text="P-1\nP-2\n")
    assert "published 2 pieces, 2 pictures on line-1/station-1" in done.output
    assert types(config) == ["CameraFrame", "CameraFrame", "PieceEvent", "PieceEvent"]


def test_a_rhythm_and_lines_are_too_much(config: Path) -> None:
    assert "give one of --every SECONDS and --stdin" in source("camera", "0", "--every", "1", "--stdin").output


def test_a_camera_that_the_recipe_does_not_name_is_refused_with_those_it_names(config: Path) -> None:
    done = source("camera", "0", "--camera", "side", "--config", config)
    assert (done.exit_code, "no camera 'side'; its cameras are ['top']" in done.output) == (1, True)


def test_the_password_of_a_stream_comes_from_a_variable_and_is_never_shown(
    config: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CAM_PASSWORD", "s3cret-word")
    words = ("rtsp", "rtsp://127.0.0.1:9/a", "--user", "me", "--password-env", "CAM_PASSWORD", "--wait", "0.01")
    done = source(*words, "--count", "1", "--config", config)
    assert "1 pictures missing" in done.output
    captured = capfd.readouterr()
    assert "s3cret" not in done.output + captured.out + captured.err
    monkeypatch.delenv("CAM_PASSWORD")
    assert "the variable CAM_PASSWORD is not set" in source(*words, "--config", config).output


def test_without_sounddevice_the_microphone_says_what_to_install(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    done = source("microphone", "--config", config)
    assert (done.exit_code, "pip install '.[microphone]'" in done.output) == (1, True)


def test_without_harvesters_genicam_says_what_to_install(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "harvesters.core", None)
    done = source("genicam", "0", "--producer", config, "--config", config)
    assert (done.exit_code, "pip install '.[genicam]'" in done.output) == (1, True)


@pytest.mark.parametrize("sensor", ["acc", None])
def test_the_sensor_of_a_microphone_is_one_of_the_recipe(config: Path, sensor: str | None) -> None:
    if sensor is None:
        config.with_name("cup.toml").write_text(RECIPE.partition("[[sensors]]")[0])
    words = () if sensor is None else ("--sensor", sensor)
    done = source("microphone", "--config", config, *words)
    assert (done.exit_code, "choose one with --sensor" in done.output) == (1, True), done.output


def test_counts_are_served_while_a_source_runs(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scraped: list[str] = []

    def run(watch: FolderSource, *_: object, **__: object) -> FolderCounts:
        watch.counts.pieces, watch.counts.broken = 3, 1
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            scraped.append(answer.read().decode())
        return watch.counts

    port = free_port()
    monkeypatch.setattr(FolderSource, "run", run)
    done = source("folder", config.parent, "--once", "--metrics", f"127.0.0.1:{port}", "--config", config)
    assert done.exit_code == 0, done.output
    row = 'inspector_source_events_total{line="line-1",source="folder",station="station-1",what='
    assert f'{row}"pieces"}} 3.0' in scraped[0]
    assert f'{row}"broken"}} 1.0' in scraped[0]


@pytest.mark.parametrize(("listen", "message"), [("nowhere", "is no address"), ("127.0.0.1:{port}", "in --metrics")])
def test_an_address_that_cannot_serve_counts_is_refused(config: Path, listen: str, message: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = listen.format(port=taken.getsockname()[1])
        done = source("folder", config.parent, "--once", "--metrics", address, "--config", config)
    assert (done.exit_code, message in done.output) == (1, True), done.output


def test_columns_of_a_csv_file_are_chosen_as_in_training(config: Path, tmp_path: Path) -> None:
    folder = tmp_path / "incoming"
    folder.mkdir()
    (folder / "P-1_mic.csv").write_text("".join(f"9;{0.1 * (-1) ** number:.3f}\n" for number in range(400)))
    (folder / "P-1_top.png").write_bytes(png())
    refused = source("folder", folder, "--once", "--journal", tmp_path / "one", "--config", config)
    assert "1 files left out" in refused.output, refused.output
    done = source("folder", folder, "--once", "--journal", tmp_path / "two", "--columns", "2", "--config", config)
    assert "1 pieces of 2 files on" in done.output, done.output
    assert "SignalChunk" in types(config)


def test_names_that_the_recipe_gives_are_not_given_again(config: Path) -> None:
    done = source("folder", config.parent, "--once", "--camera", "top", "--config", config)
    assert (done.exit_code, "with --config the recipe names them" in done.output) == (2, True)
    done = source("camera", "0", "--kafka", "127.0.0.1:9", "--line", "l", "--camera", "top", "--recipe", "cup")
    assert (done.exit_code, "--recipe names a recipe of a configuration" in done.output) == (1, True), done.output
