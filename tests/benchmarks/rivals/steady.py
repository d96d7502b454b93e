"""Runs one contestant at one rate for a while: throughput, latency beyond the window, processor time, memory."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import psutil

from tests.benchmarks.rivals.counting import Tally, tally
from tests.benchmarks.rivals.expected import expected_decisions
from tests.benchmarks.rivals.publishing import Publishing
from tests.benchmarks.rivals.running import Running, cpu_s
from tests.benchmarks.rivals.topic_receiver import TopicReceiver
from tests.benchmarks.setting import Receipt
from tests.benchmarks.trial import MAX_GROWTH_S, PATIENCE_S

QUIET_S = 10.0
WINDOW_AFTER_CAPTURE_S = 0.24
"""The demo's window ends 0.25 s after the entry, and the frame is captured 0.01 s after it."""


@dataclass(frozen=True)
class Steady:
    """Figures of one run at one rate."""

    name: str
    offered: float
    achieved: float
    """Results a second after the warm-up."""
    beyond_ms: tuple[float, float, float]
    """From the end of a piece's window to the receipt of its result: p50, p95, p99."""
    cpu_ms: Mapping[str, float]
    """Per piece, by process."""
    memory_mib: float
    growth_s: float
    """By how much lag rose over the run, by the line of least squares."""
    behind_s: float
    """How late the publisher was."""
    tally: Tally

    @property
    def keeps_up(self) -> bool:
        return self.growth_s < MAX_GROWTH_S and self.behind_s < MAX_GROWTH_S and not self.tally.lost


@dataclass(frozen=True)
class Mark:
    """What had been spent and received at one moment."""

    at_s: float
    received: int
    cpu_s: Mapping[str, float]
    lag_s: float


@dataclass
class Observer:
    """Takes marks twice a second and keeps all receipts."""

    contestant: Running
    others: Mapping[str, psutil.Process]
    receiver: TopicReceiver
    receipts: list[Receipt] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    memory_mib: float = 0.0
    _newest: dict[str, int] = field(default_factory=dict)

    def take(self) -> None:
        receipts = self.receiver.drain()
        self.receipts += receipts
        for verdict, _ in receipts:
            station = verdict.inspection.station
            self._newest[station] = max(verdict.capture_ns, self._newest.get(station, 0))

    def mark(self, captured_ns: float) -> None:
        """Lag is that of the station that is furthest behind, so that a starved partition shows."""
        lag_s = (captured_ns - min(self._newest.values(), default=0)) / 1e9
        spent = {name: cpu_s(process) for name, process in self.others.items()}
        spent["service"] = self.contestant.cpu_s()
        self.marks.append(Mark(time.monotonic(), len(self.receipts), spent, lag_s))


def measure(
    name: str, rate: float, observer: Observer, publishing: Publishing, decisions: Sequence[int], warm_up_s: float
) -> Steady:
    """Until the publisher has ended and all results are in, or none came for a while."""
    begin_s: float | None = None
    while not publishing.has_ended:
        report = publishing.next_report(1.0)
        observer.take()
        if report is None or "captured_ns" not in report:
            continue
        begin_s = time.monotonic() if begin_s is None else begin_s
        if time.monotonic() - begin_s > warm_up_s:
            observer.mark(report["captured_ns"])
    observer.memory_mib = observer.contestant.memory_mib()
    settle(observer, publishing.num_pieces)
    return figures(name, rate, observer, publishing, decisions)


def settle(observer: Observer, num_pieces: int, quiet_s: float = QUIET_S, patience_s: float = PATIENCE_S) -> None:
    """Takes results until there is one for every piece, or none came for `quiet_s`."""
    started_s = changed_s = time.monotonic()
    while len({verdict.inspection.piece_id for verdict, _ in observer.receipts}) < num_pieces:
        before = len(observer.receipts)
        time.sleep(0.2)
        observer.take()
        now_s = time.monotonic()
        changed_s = now_s if len(observer.receipts) > before else changed_s
        if now_s - changed_s > quiet_s or now_s - started_s > patience_s:
            return


def count(observer: Observer, num_pieces: int, decisions: Sequence[int]) -> Tally:
    expected = expected_decisions(num_pieces, decisions)
    results = [(verdict.inspection.piece_id, int(verdict.decision)) for verdict, _ in observer.receipts]
    return tally(expected, results, expected)


def figures(name: str, rate: float, observer: Observer, publishing: Publishing, decisions: Sequence[int]) -> Steady:
    first, last = observer.marks[0], observer.marks[-1]
    num = max(1, last.received - first.received)
    counted = observer.receipts[first.received : last.received]
    beyond = [beyond_window_ms(verdict.capture_ns, received_ns) for verdict, received_ns in counted] or [float("nan")]
    p50, p95, p99 = (float(np.percentile(beyond, share)) for share in (50, 95, 99))
    slope = np.polyfit([mark.at_s for mark in observer.marks], [mark.lag_s for mark in observer.marks], 1)[0]
    return Steady(
        name=name,
        offered=rate,
        achieved=(last.received - first.received) / (last.at_s - first.at_s),
        beyond_ms=(p50, p95, p99),
        cpu_ms={part: (last.cpu_s[part] - first.cpu_s[part]) * 1e3 / num for part in last.cpu_s},
        memory_mib=observer.memory_mib,
        growth_s=float(slope) * (last.at_s - first.at_s),
        behind_s=publishing.facts.get("behind_s", 0.0),
        tally=count(observer, publishing.num_pieces, decisions),
    )


def beyond_window_ms(capture_ns: int, received_ns: int) -> float:
    return (received_ns - capture_ns) / 1e6 - WINDOW_AFTER_CAPTURE_S * 1e3


def others_of(publishing: Publishing, broker_pid: int | None) -> dict[str, psutil.Process]:
    pids = {"publisher": publishing.process.pid, "client": os.getpid()}
    pids |= {"broker": broker_pid} if broker_pid else {}
    return {name: psutil.Process(pid) for name, pid in pids.items()}
