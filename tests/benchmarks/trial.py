"""Runs one line at one rate for a while and measures it: lag, latency, processor time of every process.

Lag is the event time of the newest frame handed to the log less that of the newest verdict received.
"""

import json
import os
import queue
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO

import numpy as np
import psutil

from protos.inspection.v1.verdict_pb2 import DECISION_REVIEW
from tests.benchmarks.setting import Receipt, Receiver, Setting, process, service

WARM_UP_S = 5.0
PATIENCE_S = 30.0
MAX_GROWTH_S = 0.5
"""Lag that grows by less over a trial does not grow: the noise of its samples is about as large."""


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


def run_trial(setting: Setting, policy: str, rate: float, seconds: float, broker_pid: int | None) -> Trial:
    publisher = [sys.executable, "-m", "tests.benchmarks.publisher", "--config", str(setting.config)]
    with service(setting) as served, Receiver(setting.address) as receiver:
        command = [*publisher, "--rate", str(rate), "--seconds", str(seconds)]
        with process(command, setting.folder / "publisher.log") as published:
            pids = {"service": served.pid, "publisher": published.pid, "client": os.getpid()}
            pids |= {"broker": broker_pid} if broker_pid else {}
            usage = Usage({name: psutil.Process(pid) for name, pid in pids.items()})
            return _measure(policy, rate, usage, _lines(published.stdout), receiver)


def _lines(source: "IO[str] | None") -> "queue.SimpleQueue[dict[str, float] | None]":
    """Reports of the publisher as they arrive; None at its end."""
    reports: queue.SimpleQueue[dict[str, float] | None] = queue.SimpleQueue()

    def read() -> None:
        for line in source or ():
            reports.put(json.loads(line))
        reports.put(None)

    threading.Thread(target=read, name="publisher", daemon=True).start()
    return reports


def _measure(
    policy: str, rate: float, usage: Usage, reports: "queue.SimpleQueue[dict[str, float] | None]", receiver: Receiver
) -> Trial:
    receipts: list[Receipt] = []
    lags: list[tuple[float, float]] = []
    marks: list[tuple[float, int, dict[str, float]]] = []
    facts: dict[str, float] = {}
    begin_s: float | None = None
    while (report := reports.get()) is not None:
        receipts += receiver.drain()
        facts |= report
        if "captured_ns" not in report:
            continue
        now_s = time.monotonic()
        begin_s = now_s if begin_s is None else begin_s
        if now_s - begin_s > WARM_UP_S:
            lags.append((now_s, (report["captured_ns"] - _slowest_ns(receipts)) / 1e9))
            marks = [*marks[:1], (now_s, len(receipts), usage.cpu_s())]
    rss_mib = usage.processes["service"].memory_info().rss / 2**20
    deadline_s = time.monotonic() + PATIENCE_S
    while len(receipts) < facts["pieces"] and time.monotonic() < deadline_s:
        time.sleep(0.1)
        receipts += receiver.drain()
    return _trial(policy, rate, receipts, np.array(lags), marks, facts, rss_mib)


def _slowest_ns(receipts: list[Receipt]) -> int:
    """Capture of the newest piece judged at the station that is furthest behind: a starved partition shows."""
    newest: dict[str, int] = {}
    for verdict, _ in receipts:
        station = verdict.inspection.station
        newest[station] = max(verdict.capture_ns, newest.get(station, 0))
    return min(newest.values(), default=0)


def _trial(
    policy: str,
    rate: float,
    receipts: list[Receipt],
    lags: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]",
    marks: list[tuple[float, int, dict[str, float]]],
    facts: Mapping[str, float],
    rss_mib: float,
) -> Trial:
    (from_s, first, cpu_before), (to_s, last, cpu_after) = marks
    counted = [(received_ns - verdict.capture_ns) / 1e6 for verdict, received_ns in receipts[first:last]]
    pieces = {verdict.inspection.piece_id for verdict, _ in receipts}
    experts = [run for verdict, _ in receipts for run in verdict.experts]
    slope = float(np.polyfit(lags[:, 0], lags[:, 1], 1)[0])
    p50, p95, p99 = (float(np.percentile(counted, share)) for share in (50, 95, 99))
    return Trial(
        policy=policy,
        offered=rate,
        achieved=(last - first) / (to_s - from_s),
        latency_ms=(p50, p95, p99),
        cpu_ms={name: (cpu_after[name] - cpu_before[name]) * 1e3 / (last - first) for name in cpu_after},
        rss_mib=rss_mib,
        review=sum(verdict.decision == DECISION_REVIEW for verdict, _ in receipts) / len(receipts),
        experts_run=sum(run.ran for run in experts),
        experts_skipped=sum(not run.ran for run in experts),
        missing=int(facts["pieces"]) - len(pieces),
        doubled=len(receipts) - len(pieces),
        growth_s=slope * (to_s - from_s),
        max_lag_s=float(lags[:, 1].max()),
        behind_s=facts.get("behind_s", 0.0),
    )
