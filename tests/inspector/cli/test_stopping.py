"""A service that waits for its log at the start stops as it does at any other time: at once, and with exit code 0."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from streams.embedded import EmbeddedLog
from tests.bundles import write_toy_bundle
from tests.inspector.rollout.toys import RECIPE

KAFKA = (
    'lines = ["line-1"]\nrecipes = ["recipe.toml"]\n[log]\nkind = "kafka"\nbootstrap_servers = ["127.0.0.1:{port}"]\n'
)
EMBEDDED = 'lines = ["line-1"]\nrecipes = ["recipe.toml"]\n[log]\nkind = "embedded"\npath = "log.sqlite"\n'


@contextmanager
def absent(folder: Path) -> Iterator[Callable[[subprocess.Popen[str]], None]]:
    """Nobody listens where the broker should be."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    (folder / "service.toml").write_text(KAFKA.format(port=port))
    yield lambda process: heard(process, "does not answer .* Retrying until it does")


@contextmanager
def frozen(folder: Path) -> Iterator[Callable[[subprocess.Popen[str]], None]]:
    """The broker takes connections and answers none: the first one asks whether it is there, the second hangs."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        (folder / "service.toml").write_text(KAFKA.format(port=server.getsockname()[1]))
        held: list[socket.socket] = []

        def hangs(process: subprocess.Popen[str]) -> None:
            held.extend(server.accept()[0] for _ in range(2))

        yield hangs
        for each in held:
            each.close()


@contextmanager
def leased(folder: Path) -> Iterator[Callable[[subprocess.Popen[str]], None]]:
    """Another worker has the lines."""
    (folder / "service.toml").write_text(EMBEDDED)
    with closing(EmbeddedLog(folder / "log.sqlite").source(["line-1"], "inspection", "other")) as other:
        while not other.poll(0.1).gained:
            pass
        yield lambda process: heard(process, "stands by: worker other judges lines")


def heard(process: subprocess.Popen[str], words: str) -> None:
    assert process.stderr is not None
    assert any(re.search(words, line) for line in process.stderr), f"never said: {words}"


@pytest.mark.parametrize(
    ("command", "waiting"), [("worker", absent), ("gateway", absent), ("worker", frozen), ("worker", leased)]
)
def test_a_start_that_waits_for_its_log_stops_at_once(
    tmp_path: Path,
    command: str,
    waiting: Callable[[Path], AbstractContextManager[Callable[[subprocess.Popen[str]], None]]],
) -> None:
    """A process that has not stopped after 10 s is ended hard, with exit code 1 and an error."""
    write_toy_bundle(tmp_path / "own")
    (tmp_path / "recipe.toml").write_text(RECIPE)
    with waiting(tmp_path) as is_waiting:
        arguments = [sys.executable, "-m", "inspector", command, "--config", str(tmp_path / "service.toml")]
        with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as process:
            try:
                is_waiting(process)
                process.send_signal(signal.SIGTERM)
                _, errors = process.communicate(timeout=60)
            finally:
                process.kill()
    assert (process.returncode, "ERROR" in errors, "Traceback" in errors) == (0, False, False), errors
