"""Commands that end by themselves end soon, with a sentence, where Kafka does not answer."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from inspector.cli import main
from tests.bundles import write_toy_bundle
from tests.inspector.rollout.toys import RECIPE

CONFIG = """
lines = ["line-1"]
recipes = ["recipe.toml"]
[log]
kind = "kafka"
bootstrap_servers = ["127.0.0.1:{port}"]
"""
COMMANDS = (
    ("topics", "check"),
    ("topics", "create"),
    ("deploy", "own"),
    ("rollback",),
    ("deployments",),
    ("simulate", "--pieces", "1"),
    ("archive", "verify"),
    ("archive", "rebuild"),
    ("dead-letters",),
    ("deployments", "--differences"),
    ("score", "truth.jsonl"),
    ("source", "folder", ".", "--once"),
)


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Accepts connections and answers nothing, as a broker that hangs."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_ends_where_no_broker_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], closed_port: int
) -> None:
    said = _run(tmp_path, monkeypatch, command, closed_port)
    assert f"Kafka at 127.0.0.1:{closed_port} has not answered for 0.3 s" in said
    assert "start the brokers" in said
    for thread in [thread for thread in threading.enumerate() if thread.name == "opening"]:
        thread.join(10.0)
        assert not thread.is_alive(), "attempts go on although the command has ended"


def test_a_command_ends_where_a_broker_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, silent_port: int) -> None:
    assert "answers no request" in _run(tmp_path, monkeypatch, ("topics", "check"), silent_port)


def _run(folder: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], port: int) -> str:
    for module in ("inspector.config.opening", "inspector.cli.topics", "inspector.cli.source_folder"):
        monkeypatch.setattr(f"{module}.COMMAND_PATIENCE_S", 0.3)
    monkeypatch.chdir(folder)
    write_toy_bundle(folder / "own")
    (folder / "recipe.toml").write_text(RECIPE)
    (folder / "truth.jsonl").write_text("")
    (folder / "service.toml").write_text(CONFIG.format(port=port))
    done = CliRunner().invoke(main, [*command, "--config", "service.toml"])
    assert done.exit_code == 1
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.output
