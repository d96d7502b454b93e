"""A worker's log at its start, and the end of its process in time, whatever hangs in it."""

import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from inspector.service.run_worker import _resolver
from streams.references import addresses
from tests.inspector.diagnostics.test_check_config import service_with

SIGNALLED = """
with stopped_by_signals(0.3) as stop:
    os.kill(os.getpid(), signal.SIGTERM)
    stop.wait()
"""
SET = """
with stopped_by_signals(0.3) as stop:
    stop.set()
    threading.Event().wait()
"""
FAILED = """
with ended_in_time(0.3):
    raise ValueError
"""
HANGING = """
import os, signal, threading
from concurrent.futures import ThreadPoolExecutor
from inspector.service.run_worker import ended_in_time, stopped_by_signals
ThreadPoolExecutor(1, thread_name_prefix="hanging").submit(threading.Event().wait)
print("ready", flush=True)
"""


@pytest.mark.parametrize(
    "leaving", [SIGNALLED, SET, FAILED], ids=["stopped by a signal", "stopped by a thread", "ended by an error"]
)
def test_a_process_whose_thread_hangs_ends_within_its_budget(leaving: str) -> None:
    """It used to wait forever: the interpreter joins the threads of a pool, and the budget's timer was over by then."""
    with subprocess.Popen(
        [sys.executable, "-c", HANGING + leaving], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        begin_s = time.monotonic()
        try:
            _, output = process.communicate(timeout=30)
        finally:
            process.kill()
    assert time.monotonic() - begin_s < 10
    assert process.returncode == 1
    assert (
        b"Still running 0 s after the stop was requested (threads: MainThread, hanging_0), so the process ends"
        in output
    )


def test_a_worker_says_at_its_start_which_package_its_references_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    service = service_with(tmp_path, prefixes='"gs://frames/"')
    monkeypatch.setattr(addresses, "find_spec", lambda name: None)
    with closing(_resolver(service)):
        (message,) = (record.message for record in caplog.records if record.name == "inspector.service.run_worker")
    assert "gs://frames/: needs the package gcsfs, which is not installed; pip install gcsfs" in message
