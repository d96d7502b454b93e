"""The demo from its command to its last line, on a toy bundle and with few pieces: real service, log and gRPC."""

import json
import socket
import subprocess
import sys
from pathlib import Path

from inspector.bundle.schema import SignalInput
from tests.bundles import Toy, write_toy_bundle

CONFIG = """
lines = ["line-1"]
recipes = ["recipe.toml"]
[log]
kind = "embedded"
path = "run/log.sqlite"
[join]
max_delay_s = 0.5
[floor]
enabled = false
[gateway]
listen = "127.0.0.1:{port}"
"""
RECIPE = """
name = "toy"
version = "1"
product = "disc"
bundle = "{bundle}"
[[cameras]]
name = "top"
[[sensors]]
name = "mic"
kind = "audio"
sample_rate_hz = 16000
end_s = 0.25
"""


def run(folder: Path, bundle: str) -> subprocess.CompletedProcess[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    (folder / "service.toml").write_text(CONFIG.format(port=port))
    (folder / "recipe.toml").write_text(RECIPE.format(bundle=bundle))
    command = [sys.executable, "-m", "inspector", "demo", "--config", str(folder / "service.toml"), "--pieces", "24"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_every_piece_has_one_verdict_and_the_last_line_says_so(tmp_path: Path) -> None:
    write_toy_bundle(
        tmp_path / "toy", Toy(signal=SignalInput(sample_rate_hz=16_000, num_samples=4_000, num_channels=1))
    )
    done = run(tmp_path, "toy")
    assert done.returncode == 0, done.stdout + done.stderr
    *lines, last = done.stdout.splitlines()
    summary = json.loads(last)
    assert (summary["pieces"], summary["verdicts"], summary["doubled"], summary["missing"]) == (24, 24, 0, 0)
    assert summary["pass"] + summary["fail"] + summary["review"] == 24
    assert summary["experts_run"] > 0
    assert 0 < summary["latency_ms"]["p50"] <= summary["latency_ms"]["p99"]
    assert summary["first_verdict_s"] > 0
    assert sum(line.startswith("station-") for line in lines) == 24
    assert sum("escape:" in line for line in lines) == summary["escapes"]
    assert sum("false reject:" in line for line in lines) == summary["false_rejects"]


def test_a_service_that_ends_is_reported_with_its_output(tmp_path: Path) -> None:
    done = run(tmp_path, "nowhere")
    assert done.returncode == 1
    assert "the service ended with exit code" in done.stderr
    assert "bundle.json" in done.stderr
