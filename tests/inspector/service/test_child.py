"""The child process of a service: started again when it ends, gone with the service, even after a kill."""

import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from inspector.service import child as child_module
from inspector.service import restarts
from inspector.service.child import Child
from tests.waiting import until

FLOOR = """
import sys
from pathlib import Path
from threading import Event
from inspector.service.child import stopped_with_parent
stop = Event()
stopped_with_parent(stop)
Path(sys.argv[1]).write_text("started")
stop.wait()
"""
SERVICE = """
import sys, time
from inspector.service import child
popen = child.subprocess.Popen
child.subprocess.Popen = lambda command, **options: popen([sys.executable, *sys.argv[1:]], **options)
with child.Child("floor", [], ""):
    time.sleep(600)
"""


@pytest.fixture
def script(tmp_path: Path) -> list[str]:
    """Arguments of a child that says that it started, and stops with its parent."""
    (tmp_path / "floor.py").write_text(FLOOR)
    return [str(tmp_path / "floor.py"), str(tmp_path / "started")]


@pytest.fixture
def runs_scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The child runs a script in place of a command of `inspector`."""
    real = subprocess.Popen

    def popen(command: list[str], *, stdin: int, start_new_session: bool) -> "subprocess.Popen[bytes]":
        return real([command[0], *command[3:]], stdin=stdin, start_new_session=start_new_session)

    monkeypatch.setattr("inspector.service.child.subprocess.Popen", popen)


@pytest.mark.usefixtures("runs_scripts")
def test_a_child_that_ends_is_started_again(
    script: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(restarts, "FIRST_DELAY_S", 0.01)
    started = tmp_path / "started"
    with caplog.at_level(logging.WARNING), Child("floor", script, "Look into its log.") as child:
        until(started.exists)
        started.unlink()
        first = child.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        until(started.exists)
        second = child.pid
        assert second not in (None, first)
    assert "The floor ended with status -9" in caplog.text
    assert "Look into its log." in caplog.text
    assert second is not None
    assert not psutil.pid_exists(second)


def test_a_child_ends_with_a_service_that_was_killed(script: list[str], tmp_path: Path) -> None:
    service = subprocess.Popen([sys.executable, "-c", SERVICE, *script])
    until((tmp_path / "started").exists)
    (child,) = psutil.Process(service.pid).children()
    service.kill()
    service.wait()
    assert psutil.wait_procs([child], timeout=60)[1] == []


@pytest.mark.usefixtures("runs_scripts")
def test_a_child_that_does_not_stop_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_module, "STOP_S", 0.3)
    (tmp_path / "floor.py").write_text("import sys, time, pathlib; pathlib.Path(sys.argv[1]).touch(); time.sleep(600)")
    with Child("floor", [str(tmp_path / "floor.py"), str(tmp_path / "started")], "") as child:
        until((tmp_path / "started").exists)
        pid = child.pid
    assert pid is not None
    assert not psutil.pid_exists(pid)


@pytest.mark.usefixtures("runs_scripts")
def test_a_child_stops_as_soon_as_the_service_is_asked_to(script: list[str], tmp_path: Path) -> None:
    """It used to be asked after the worker had stopped."""
    stop = threading.Event()
    with Child("floor", script, "") as child:
        child.stops_with(stop)
        until((tmp_path / "started").exists)
        pid = child.pid
        assert pid is not None
        stop.set()
        until(lambda: not psutil.pid_exists(pid))


@pytest.mark.usefixtures("runs_scripts")
def test_a_child_that_cannot_be_started_is_tried_again(
    script: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(restarts, "FIRST_DELAY_S", 0.01)
    real, failures = subprocess.Popen, [OSError(12, "Cannot allocate memory")]

    def popen(command: list[str], **options: object) -> "subprocess.Popen[bytes]":
        if failures:
            raise failures.pop()
        return real(command, **options)  # type: ignore[call-overload]

    monkeypatch.setattr("inspector.service.child.subprocess.Popen", popen)
    with caplog.at_level(logging.WARNING), Child("floor", script, "Free some."):
        until((tmp_path / "started").exists)
    assert "The floor cannot be started ([Errno 12] Cannot allocate memory); starts again in" in caplog.text
