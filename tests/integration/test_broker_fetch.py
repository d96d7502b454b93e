"""Several processes of one test run fetch Apache Kafka once, and a download that failed is tried again."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.kafka import run

STUB = """#!/bin/sh
for argument; do case "$argument" in -DoutputDirectory=*) folder=${argument#*=};; esac; done
echo x >> CALLS
test "$(wc -l < CALLS)" -gt FAILURES || exit 1
mkdir "$folder" && sleep 0.3 && touch "$folder/kafka_2.13-4.0.0.jar"
"""
"""Behaves as Maven does; a folder that another process writes to at the same time makes it fail."""


def _stub(folder: Path, failures: int) -> dict[str, str]:
    """An environment whose `mvn` fails that often."""
    (folder / "bin").mkdir()
    mvn = folder / "bin" / "mvn"
    mvn.write_text(STUB.replace("CALLS", str(folder / "calls")).replace("FAILURES", str(failures)))
    mvn.chmod(0o755)
    return {**os.environ, "PATH": f"{mvn.parent}:{os.environ['PATH']}"}


def _fetch(folder: Path) -> list[str]:
    script = (
        "import pathlib; from deploy.kafka import run; "
        f"run.HERE = pathlib.Path({str(folder)!r}); run.LIBS = run.HERE / 'libs'; "
        "run.RETRY_AFTER_S = (0.01, 0.01); run.fetch()"
    )
    return [sys.executable, "-c", script]


@pytest.mark.parametrize("failures", [0, 2])
def test_processes_that_fetch_at_the_same_time_fetch_once(tmp_path: Path, failures: int) -> None:
    environment = _stub(tmp_path, failures)
    root = run.HERE.parent.parent
    processes = [subprocess.Popen(_fetch(tmp_path), env=environment, cwd=root) for _ in range(4)]
    assert [process.wait(60) for process in processes] == [0, 0, 0, 0]
    assert (tmp_path / "calls").read_text().count("x") == failures + 1
    assert (tmp_path / "libs" / "kafka_2.13-4.0.0.jar").exists()


def test_a_download_that_keeps_failing_is_an_error(tmp_path: Path) -> None:
    result = subprocess.run(
        _fetch(tmp_path), env=_stub(tmp_path, 99), cwd=run.HERE.parent.parent, stderr=subprocess.PIPE, text=True
    )
    assert result.returncode != 0
    assert "Maven could not fetch Apache Kafka" in result.stderr
    assert not (tmp_path / "libs").exists()
