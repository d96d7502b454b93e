"""Runs the publisher as a process and hands on its reports."""

import json
import queue
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO

import psutil

from tests.benchmarks.setting import Setting, process

Report = dict[str, float]


@dataclass
class Publishing:
    process: psutil.Process
    reports: "queue.SimpleQueue[Report | None]"
    facts: Report = field(default_factory=dict)
    """All that was reported so far, the newest value of each."""
    has_ended: bool = False

    def next_report(self, timeout_s: float) -> Report | None:
        """None once `timeout_s` passed without one, and at the end."""
        try:
            report = self.reports.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if report is None:
            self.has_ended = True
            return None
        self.facts |= report
        return report

    @property
    def num_pieces(self) -> int:
        return int(self.facts.get("pieces", 0))


@contextmanager
def publishing(setting: Setting, rate: float, seconds: float, stations: int = 4) -> Iterator[Publishing]:
    command = [sys.executable, "-m", "tests.benchmarks.publisher", "--config", str(setting.config)]
    command += ["--rate", str(rate), "--seconds", str(seconds), "--stations", str(stations)]
    with process(command, setting.folder / "publisher.log") as published:
        yield Publishing(psutil.Process(published.pid), _reports(published.stdout))


def _reports(source: "IO[str] | None") -> "queue.SimpleQueue[Report | None]":
    reports: queue.SimpleQueue[Report | None] = queue.SimpleQueue()

    def read() -> None:
        for line in source or ():
            reports.put(json.loads(line))
        reports.put(None)

    threading.Thread(target=read, name="publisher", daemon=True).start()
    return reports
