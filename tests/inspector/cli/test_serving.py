"""A service that cannot start says why in one line."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bundles import write_toy_bundle
from tests.inspector.deploy.toys import RECIPE

CONFIG = """
lines = ["line-1"]
recipes = ["recipe.toml"]
[log]
kind = "embedded"
path = "log.sqlite"
[gateway]
listen = "127.0.0.1:{port}"
"""


@pytest.mark.parametrize(
    ("has_bundle", "said"), [(False, "bundle.json: cannot be read"), (True, "cannot listen on 127.0.0.1:")]
)
def test_what_keeps_a_service_from_starting_is_told(tmp_path: Path, has_bundle: bool, said: str) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE)
    if has_bundle:
        write_toy_bundle(tmp_path / "own")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = tmp_path / "service.toml"
        config.write_text(CONFIG.format(port=taken.getsockname()[1]))
        command = [sys.executable, "-m", "inspector", "gateway", "--config", str(config)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert any(line.startswith("Error: ") and said in line for line in done.stderr.splitlines())
