"""The demo from its command to its last line, on a toy bundle and with few pieces: real service, log and gRPC."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from inspector.bundle.schema import SignalInput
from tests.bundles import Toy, write_toy_bundle
from tests.texts import recipe_text, service_text

TABLES = """
[join]
max_delay_s = 0.5
[floor]
enabled = false
[gateway]
listen = "127.0.0.1:{port}"
"""


WITH_SIGINT = (
    "import runpy, signal\n"
    "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "runpy.run_module('inspector', run_name='__main__', alter_sys=True)"
)
"""Runs the command as in a terminal: a shell has its background jobs ignore SIGINT, and so all that they start."""
TOY = Toy(signal=SignalInput(sample_rate_hz=16_000, num_samples=4_000, num_channels=1))


def command(folder: Path, bundle: str) -> list[str]:
    """The demo of 24 pieces; writes its configuration."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    (folder / "service.toml").write_text(service_text("recipe.toml", TABLES.format(port=port), log="run/log.sqlite"))
    (folder / "recipe.toml").write_text(
        recipe_text(bundle, name="toy", keys='product = "disc"', rate_hz=16000, end_s=0.25)
    )
    config = str(folder / "service.toml")
    return [sys.executable, "-u", "-m", "inspector", "demo", "--config", config, "--pieces", "24"]


def run(folder: Path, bundle: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(folder, bundle), capture_output=True, text=True, timeout=170)


def test_every_piece_has_one_verdict_and_the_last_line_says_so(tmp_path: Path) -> None:
    write_toy_bundle(tmp_path / "toy", TOY)
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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_demo_that_is_ended_takes_its_service_with_it(tmp_path: Path, number: signal.Signals) -> None:
    """Else its ports stay taken, and the next demo cannot start."""
    write_toy_bundle(tmp_path / "toy", TOY)
    python, unbuffered, _, _, *arguments = command(tmp_path, "toy")
    call = [python, unbuffered, "-c", WITH_SIGINT, *arguments, "--keep"]
    with subprocess.Popen(call, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        next(line for line in demo.stdout if line.startswith("station-"))
        services = psutil.Process(demo.pid).children(recursive=True)
        demo.send_signal(number)
        demo.communicate(timeout=120)
    assert services
    assert not [each for each in services if each.is_running()]
