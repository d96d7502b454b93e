"""Measures how the cost of a piece grows with stations and workers on Kafka, and whether a long run stays flat.

    python -m tests.benchmarks.scaling --out tests/benchmarks/figures/scaling.json   # about 25 minutes
    python -m tests.benchmarks.scaling_page                                          # writes page and plots from it

Stations grow at the same load of each, and at the same load of all together: a station costs something without any
piece, for its sensors are always heard. Workers are processes; the client reads the verdict topic.
"""

import argparse
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from tests.benchmarks.rivals.expected import BUNDLE, RECIPE, decisions_of, pool, verdicts_of
from tests.benchmarks.rivals.publishing import Publishing, publishing
from tests.benchmarks.rivals.running import running
from tests.benchmarks.rivals.steady import Observer, Steady, beyond_window_ms, measure, others_of
from tests.benchmarks.rivals.topic_receiver import TopicReceiver
from tests.benchmarks.setting import Setting, broker, inspector
from tests.benchmarks.trial import WARM_UP_S

SLICE_S = 30.0
KINDS = ("frames", "signals", "pieces", "verdicts")


@dataclass(frozen=True)
class Scaled:
    """One run."""

    workers: int
    stations: int
    rate: float
    achieved: float
    keeps_up: bool
    beyond_ms: tuple[float, float, float]
    """From the end of a piece's window to the receipt of its verdict: p50, p95, p99."""
    service_ms: float
    """CPU per piece of all workers together."""
    broker_ms: float
    memory_mib: float
    """Of all workers together."""
    lost: int
    doubled: int
    topic_bytes: dict[str, float]
    """Bytes in the log per piece, by kind of topic; signals too, whatever of them falls into a window."""


@dataclass(frozen=True)
class Slice:
    """A stretch of a long run."""

    end_s: float
    memory_mib: float
    p50_ms: float
    p99_ms: float
    service_ms: float


@dataclass
class Figures:
    """All that is measured; the page is computed from it."""

    seconds: float
    note: str = ""
    """What else should be known of the measurement."""
    stations: list[Scaled] = field(default_factory=list)
    """One worker, each station at the same rate."""
    equal_rate: list[Scaled] = field(default_factory=list)
    """One worker, all stations together at the same rate."""
    workers: list[Scaled] = field(default_factory=list)
    soak: list[Slice] = field(default_factory=list)
    soak_rate: float = 0.0


@dataclass
class ScalingBench:
    folder: Path
    bootstrap: str
    broker_pid: int | None
    decisions: Sequence[int]
    figures: Figures
    out: Path | None = None
    _count: int = 0

    def keep(self) -> None:
        """Writes what was measured so far, so that a run that is cut off leaves it."""
        if self.out:
            self.out.write_text(json.dumps(asdict(self.figures), indent=1) + "\n")

    def run(self, workers: int, stations: int, rate: float, seconds: float) -> Scaled:
        with self._line(workers, stations, rate, seconds) as (observer, published, setting):
            result = measure("inspector", rate, observer, published, self.decisions, WARM_UP_S)
            scaled = scaled_of(result, workers, stations, self._topic_bytes(setting, published.num_pieces))
        print(row(scaled), flush=True)
        return scaled

    def soak(self, stations: int, rate: float, seconds: float) -> list[Slice]:
        """Figures of every half minute."""
        with self._line(1, stations, rate, seconds) as (observer, published, _):
            slices = list(_slices(observer, published))
        for each in slices:
            print(slice_row(each), flush=True)
        return slices

    @contextmanager
    def _line(
        self, workers: int, stations: int, rate: float, seconds: float
    ) -> Iterator[tuple[Observer, Publishing, Setting]]:
        self._count += 1
        recipe = RECIPE.read_text().replace('"../bundles/demo"', json.dumps(str(BUNDLE)))
        setting = Setting.create(self.folder / f"scaling-{self._count}", self.bootstrap, recipe)
        commands = [
            inspector("worker", "--config", str(setting.config), "--name", f"worker-{number}")
            for number in range(workers)
        ]
        with running(commands, setting.folder / "workers.log") as processes:
            processes.wait_ready("is assigned to this worker", 4)
            topic = f"{setting.prefix}.line-1.verdicts"
            with (
                TopicReceiver(self.bootstrap, topic) as receiver,
                publishing(setting, rate, seconds, stations) as published,
            ):
                yield Observer(processes, others_of(published, self.broker_pid), receiver), published, setting

    def _topic_bytes(self, setting: Setting, num_pieces: int) -> dict[str, float]:
        """Segments of the broker's log, with what its batches add."""
        logs = self.folder / "kafka" / "log"
        return {
            kind: sum(f.stat().st_size for f in logs.glob(f"{setting.prefix}.line-1.{kind}-*/*.log")) / num_pieces
            for kind in KINDS
        }


def scaled_of(result: Steady, workers: int, stations: int, topic_bytes: dict[str, float]) -> Scaled:
    return Scaled(
        workers=workers,
        stations=stations,
        rate=result.offered,
        achieved=result.achieved,
        keeps_up=result.keeps_up,
        beyond_ms=result.beyond_ms,
        service_ms=result.cpu_ms["service"],
        broker_ms=result.cpu_ms.get("broker", 0.0),
        memory_mib=result.memory_mib,
        lost=result.tally.lost,
        doubled=result.tally.doubled,
        topic_bytes=topic_bytes,
    )


def _slices(observer: Observer, published: Publishing) -> Iterator[Slice]:
    """Until the publisher ends; the first one is warm-up and left out."""
    num_before, cpu_s, begin_s, next_s = 0, 0.0, None, 0.0
    while not published.has_ended:
        report = published.next_report(1.0)
        observer.take()
        if report is None or "captured_ns" not in report:
            continue
        observer.mark(report["captured_ns"])
        now_s = observer.marks[-1].at_s
        if begin_s is None or now_s >= next_s:
            receipts = observer.receipts[num_before:]
            spent_s = observer.marks[-1].cpu_s["service"] - cpu_s
            if num_before and receipts:
                latencies = [beyond_window_ms(verdict.capture_ns, received_ns) for verdict, received_ns in receipts]
                p50, p99 = (float(np.percentile(latencies, share)) for share in (50, 99))
                assert begin_s is not None
                memory_mib = observer.contestant.memory_mib()
                yield Slice(now_s - begin_s, memory_mib, p50, p99, spent_s * 1e3 / len(receipts))
            begin_s = now_s if begin_s is None else begin_s
            num_before, next_s = len(observer.receipts), now_s + SLICE_S
            cpu_s += spent_s


HEAD = (
    "| workers | stations | offered/s | achieved/s | keeps up | p50 ms | p95 ms | p99 ms | workers' CPU ms per piece "
    "| broker's | memory MiB | lost | doubled |\n" + "|---" * 13 + "|"
)
SLICE_HEAD = "| after s | memory MiB | p50 ms | p99 ms | CPU ms per piece |\n" + "|---" * 5 + "|"


def row(run: Scaled) -> str:
    latency = " | ".join(f"{value:.0f}" for value in run.beyond_ms)
    return (
        f"| {run.workers} | {run.stations} | {run.rate:g} | {run.achieved:.1f} | {'yes' if run.keeps_up else 'no'} "
        f"| {latency} | {run.service_ms:.2f} | {run.broker_ms:.2f} | {run.memory_mib:.0f} | {run.lost} "
        f"| {run.doubled} |"
    )


def slice_row(part: Slice) -> str:
    return (
        f"| {part.end_s:.0f} | {part.memory_mib:.0f} | {part.p50_ms:.0f} | {part.p99_ms:.0f} | {part.service_ms:.2f} |"
    )


def run_all(bench: ScalingBench, options: argparse.Namespace) -> None:
    figures, numbers = bench.figures, [int(number) for number in options.stations.split(",")]
    equal_rate, most = min(numbers) * options.per_station, max(numbers)
    plan = [(figures.stations, 1, number, number * options.per_station) for number in numbers]
    plan += [(figures.equal_rate, 1, number, equal_rate) for number in numbers[1:]]
    plan += [(figures.workers, int(number), most, options.worker_rate) for number in options.workers.split(",")]
    print(HEAD, flush=True)
    for results, workers, stations, rate in plan:
        results.append(bench.run(workers, stations, rate, options.seconds))
        bench.keep()
    if options.soak_minutes:
        figures.soak_rate = options.soak_rate
        print(f"\n{options.soak_rate:g} pieces/s for {options.soak_minutes:g} minutes\n\n{SLICE_HEAD}", flush=True)
        figures.soak = bench.soak(most, options.soak_rate, options.soak_minutes * 60.0)
        bench.keep()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stations", default="5,10,20,50", help="in turn; each at --per-station pieces a second")
    parser.add_argument("--per-station", type=float, default=3.0, help="pieces a second of one station, at most 4")
    parser.add_argument("--workers", default="1,2", help="compared at the most stations, in turn")
    parser.add_argument("--worker-rate", type=float, default=120.0, help="at which one and two workers are compared")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each run")
    parser.add_argument("--soak-minutes", type=float, default=10.0, help="0: no long run")
    parser.add_argument("--soak-rate", type=float, default=240.0, help="of the long run: 0.8 of the highest rate")
    parser.add_argument("--note", default="", help="stands under the first table of the page")
    parser.add_argument("--folder", type=Path, help="keep configurations and logs here")
    parser.add_argument("--out", type=Path, help="write the figures here as JSON")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what it started ends with it
    folder = options.folder or Path(tempfile.mkdtemp(prefix="scaling"))
    folder.mkdir(parents=True, exist_ok=True)
    decisions = decisions_of(verdicts_of(pool(300)))
    figures = Figures(seconds=options.seconds, note=options.note)
    with broker(folder / "kafka") as (bootstrap, pid):
        run_all(ScalingBench(folder, bootstrap, pid, decisions, figures, options.out), options)
    if options.folder is None:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
