"""Runs one line at one rate for a while and measures it: lag, latency, processor time of every process.

Lag is the event time of the newest frame handed to the log less that of the newest verdict received.
"""

import json
import math
import os
import queue
import sys
import threading
import time
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO

import numpy as np
import psutil

from protos.inspection.v1.verdict_pb2 import DECISION_REVIEW
from tests.benchmarks.setting import Receipt, Receiver, Setting, process, service

WARM_UP_S = 5.0
PATIENCE_S = 30.0
MINUTE_S = 60.0
MAX_GROWTH_S = 0.5
"""Lag that grows by less over a trial does not grow: the noise of its samples is about as large."""


@dataclass(frozen=True)
class Minute:
    """What one minute of a trial showed."""

    achieved: float
    p99_ms: float
    rss_mib: float
    """Of the service at its end."""


@dataclass(frozen=True)
class Trial:
    """Figures of one run."""

    policy: str
    offered: float
    achieved: float
    """Verdicts a second after the warm-up."""
    latency_ms: tuple[float, float, float]
    """Capture to receipt by the client: p50, p95, p99."""
    cpu_ms: Mapping[str, float]
    """Per piece, by process."""
    rss_mib: float
    """Of the service at the end."""
    review: float
    experts_run: int
    experts_skipped: int
    missing: int
    doubled: int
    growth_s: float
    """By how much lag rose over the trial, by the line of least squares."""
    max_lag_s: float
    behind_s: float
    """How late the publisher was."""
    stations: int = 0
    window_ms: float = 250.0
    """Of sound, which every piece waits for."""
    minutes: Sequence[Minute] = ()

    @property
    def keeps_up(self) -> bool:
        return self.growth_s < MAX_GROWTH_S and self.behind_s < MAX_GROWTH_S and not self.missing


@dataclass
class Usage:
    """Processor time of processes since they were first looked at."""

    processes: Mapping[str, psutil.Process]

    def cpu_s(self) -> dict[str, float]:
        times = {name: process.cpu_times() for name, process in self.processes.items()}
        return {name: spent.user + spent.system for name, spent in times.items()}


@dataclass
class Tally:
    """What a trial keeps of the verdicts that it receives."""

    latencies_ms: "array[float]" = field(default_factory=lambda: array("d"))
    """Capture to receipt, in order of receipt."""
    pieces: set[str] = field(default_factory=set)
    review: int = 0
    experts: Counter[bool] = field(default_factory=Counter)
    """Experts that ran and that did not."""
    newest_ns: dict[str, int] = field(default_factory=dict)
    """Capture of the newest piece judged, by station."""

    def __len__(self) -> int:
        return len(self.latencies_ms)

    def take(self, receipts: Sequence[Receipt]) -> None:
        for verdict, received_ns in receipts:
            station = verdict.inspection.station
            self.latencies_ms.append((received_ns - verdict.capture_ns) / 1e6)
            self.pieces.add(verdict.inspection.piece_id)
            self.review += verdict.decision == DECISION_REVIEW
            self.experts.update(run.ran for run in verdict.experts)
            self.newest_ns[station] = max(verdict.capture_ns, self.newest_ns.get(station, 0))

    @property
    def slowest_ns(self) -> int:
        """Newest piece of the station that is furthest behind: a starved partition shows."""
        return min(self.newest_ns.values(), default=0)

    def percentile_ms(self, share: float, first: int, last: int) -> float:
        return float(np.percentile(self.latencies_ms[first:last], share)) if last > first else math.nan


@dataclass(frozen=True)
class Load:
    """What a trial publishes."""

    policy: str
    rate: float
    seconds: float
    chunk_s: float = 0.1


def run_trial(setting: Setting, load: Load, broker_pid: int | None) -> Trial:
    command = [sys.executable, "-m", "tests.benchmarks.publisher", "--config", str(setting.config)]
    command += ["--rate", str(load.rate), "--seconds", str(load.seconds), "--chunk-s", str(load.chunk_s)]
    with (
        service(setting) as served,
        Receiver(setting.address) as receiver,
        process(command, setting.folder / "publisher.log") as published,
    ):
        pids = {"service": served.pid, "publisher": published.pid, "client": os.getpid()}
        pids |= {"broker": broker_pid} if broker_pid else {}
        usage = Usage({name: psutil.Process(pid) for name, pid in pids.items()})
        return Measurement(load, usage, receiver).run(_lines(published.stdout))


def _lines(source: "IO[str] | None") -> "queue.SimpleQueue[dict[str, float] | None]":
    """Reports of the publisher as they arrive; None at its end."""
    reports: queue.SimpleQueue[dict[str, float] | None] = queue.SimpleQueue()

    def read() -> None:
        for line in source or ():
            reports.put(json.loads(line))
        reports.put(None)

    threading.Thread(target=read, name="publisher", daemon=True).start()
    return reports


Mark = tuple[float, int, dict[str, float]]
"""Moment, number of verdicts, processor time."""


class Measurement:
    """Follows one run from its first piece to its last verdict."""

    def __init__(self, load: Load, usage: Usage, receiver: Receiver) -> None:
        self._load, self._usage, self._receiver = load, usage, receiver
        self._tally = Tally()
        self._lags: list[tuple[float, float]] = []
        self._marks: list[Mark] = []
        self._minutes: list[Minute] = []
        self._minute: tuple[float, int] | None = None
        """Beginning of the current minute, and number of verdicts then."""

    def run(self, reports: "queue.SimpleQueue[dict[str, float] | None]") -> Trial:
        facts: dict[str, float] = {}
        begin_s: float | None = None
        while (report := reports.get()) is not None:
            self._tally.take(self._receiver.drain())
            facts |= report
            if "captured_ns" not in report:
                continue
            now_s = time.monotonic()
            begin_s = now_s if begin_s is None else begin_s
            if now_s - begin_s > WARM_UP_S:
                self._look(now_s, report["captured_ns"])
        rss_mib = self._rss_mib()
        self._wait_for_rest(facts["pieces"])
        return self._trial(facts, rss_mib)

    def _look(self, now_s: float, captured_ns: float) -> None:
        self._lags.append((now_s, (captured_ns - self._tally.slowest_ns) / 1e9))
        self._marks = [*self._marks[:1], (now_s, len(self._tally), self._usage.cpu_s())]
        from_s, first = self._minute = self._minute or (now_s, len(self._tally))
        if now_s - from_s >= MINUTE_S:
            achieved = (len(self._tally) - first) / (now_s - from_s)
            p99_ms = self._tally.percentile_ms(99, first, len(self._tally))
            self._minutes.append(Minute(achieved, p99_ms, self._rss_mib()))
            self._minute = now_s, len(self._tally)

    def _rss_mib(self) -> float:
        return float(self._usage.processes["service"].memory_info().rss) / 2**20

    def _wait_for_rest(self, num_pieces: float) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while len(self._tally) < num_pieces and time.monotonic() < deadline_s:
            time.sleep(0.1)
            self._tally.take(self._receiver.drain())

    def _trial(self, facts: Mapping[str, float], rss_mib: float) -> Trial:
        (from_s, first, cpu_before), (to_s, last, cpu_after) = self._marks
        tally, lags = self._tally, np.array(self._lags)
        slope = float(np.polyfit(lags[:, 0], lags[:, 1], 1)[0])
        p50, p95, p99 = (tally.percentile_ms(share, first, last) for share in (50, 95, 99))
        return Trial(
            policy=self._load.policy,
            offered=self._load.rate,
            achieved=(last - first) / (to_s - from_s),
            latency_ms=(p50, p95, p99),
            cpu_ms={name: (cpu_after[name] - cpu_before[name]) * 1e3 / (last - first) for name in cpu_after},
            rss_mib=rss_mib,
            review=tally.review / len(tally),
            experts_run=tally.experts[True],
            experts_skipped=tally.experts[False],
            missing=int(facts["pieces"]) - len(tally.pieces),
            doubled=len(tally) - len(tally.pieces),
            growth_s=slope * (to_s - from_s),
            max_lag_s=float(lags[:, 1].max()),
            behind_s=facts.get("behind_s", 0.0),
            stations=int(facts["stations"]),
            minutes=tuple(self._minutes),
        )
