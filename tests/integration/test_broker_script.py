"""However the script that runs a broker ends, it leaves none behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deploy.kafka import run

STUB = """#!/bin/sh
case "$*" in *StorageTool*) exit 0;; esac
echo "Kafka Server started"
exec sleep 60
"""
"""Behaves as Java does, and starts at once."""


def _heed_signals() -> None:
    """As in a terminal, though nohup or a shell's background may have them ignored here."""
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture
def script(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The script, with its broker running."""
    run.fetch()
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text(STUB)
    java.chmod(0o755)
    path = f"{java.parent}:{os.environ['PATH']}"
    command = [sys.executable, str(run.HERE / "run.py"), "--data", str(tmp_path / "data")]
    environment = {**os.environ, "PATH": path}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, preexec_fn=_heed_signals)
    with process:
        assert process.stdout is not None
        assert "Kafka runs" in process.stdout.readline()
        yield process
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
def test_the_broker_stops_with_its_script(script: subprocess.Popen[str], number: signal.Signals) -> None:
    (broker,) = psutil.Process(script.pid).children()
    script.send_signal(number)
    assert script.wait(60) == (-number if number is signal.SIGKILL else 0)
    assert psutil.wait_procs([broker], timeout=60)[1] == []
