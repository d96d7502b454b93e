"""What a gateway spends on its watchers, beside a bare gRPC server that sends the same bytes.

    python -m tests.benchmarks.watching live --watchers 1,10,50 --rate 100 --seconds 8
    python -m tests.benchmarks.watching earliest --verdicts 100000

`live`: processor time per verdict and watcher, without that of following the log. `earliest`: one client reads the
whole history. Both on the embedded log, each server and the clients in processes of their own.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil

from inspector.api import Inspector
from inspector.replay.pieces import SimulatedPieces
from inspector.simulation.pieces import LineSettings
from inspector.verdicts.records import verdict_output
from protos.inspection.v1.verdict_pb2 import Verdict
from streams.embedded import EmbeddedLog, EmbeddedSettings
from streams.records import Output, Shard, Topics
from tests.benchmarks.setting import ROOT, process

POOL = 50
TOPICS = Topics("b", "line-1")
PAUSE_S = 1.0


class Served(NamedTuple):
    address: str
    process: psutil.Process

    def cpu_s(self) -> float:
        spent = self.process.cpu_times()
        return spent.user + spent.system

    def peak_mib(self) -> float:
        """Most memory since the start."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def pool() -> list[Verdict]:
    """Verdicts of the demo's bundle on pieces of the synthetic line."""
    inspector = Inspector.from_pretrained(ROOT / "deploy/bundles/demo", recipe=ROOT / "deploy/recipes/demo.toml")
    source = SimulatedPieces(LineSettings(seed=2026), POOL)
    return [_verdict(inspector, source, number) for number in range(POOL)]


def _verdict(inspector: Inspector, source: SimulatedPieces, number: int) -> Verdict:
    piece = source.piece(number)
    images = {shot.camera: shot.data for shot in piece.shots}
    signals = {name: (sound.samples, sound.sample_rate_hz) for name, sound in piece.recordings.items()}
    return inspector.inspect(images, signals).message


def outputs(verdicts: Sequence[Verdict], first: int, count: int) -> list[Output]:
    """Records of `count` verdicts under new names."""
    records = []
    for number in range(first, first + count):
        verdict = verdicts[number % len(verdicts)]
        verdict.inspection.line, verdict.inspection.station = "line-1", f"station-{number % 4}"
        verdict.inspection.piece_id = f"piece-{number:08d}"
        records.append(verdict_output(TOPICS, Shard("line-1", 0), verdict))
    return records


@contextmanager
def served(folder: Path, *, bare: bool) -> Iterator[Served]:
    command = [sys.executable, "-m", "tests.benchmarks.watched_gateway", "--log", str(folder / "log.sqlite")]
    with process([*command, *(["--bare"] if bare else [])], folder / "server.log") as running:
        assert running.stdout is not None
        yield Served(running.stdout.readline().strip(), psutil.Process(running.pid))


@contextmanager
def clients(folder: Path, address: str, *arguments: str) -> Iterator[Iterator[str]]:
    """The lines that they print, behind `ready`."""
    command = [sys.executable, "-m", "tests.benchmarks.watchers", "--address", address, *arguments]
    with process(command, folder / "clients.log") as running:
        assert running.stdout is not None
        if running.stdout.readline().strip() != "ready":
            raise RuntimeError(f"the watchers did not start: {(folder / 'clients.log').read_text()[-2000:]}")
        yield iter(running.stdout)


def live(folder: Path, verdicts: Sequence[Verdict], numbers: Sequence[int], rate: float, seconds: float) -> None:
    print("| watchers | verdicts/s | following, CPU us per verdict | gateway, CPU us per verdict and watcher "
          "| bare gRPC | gateway / bare |\n" + "|---" * 6 + "|")  # fmt: skip
    for num_watchers in numbers:
        costs = {bare: _costs(folder, verdicts, num_watchers, rate, seconds, bare=bare) for bare in (False, True)}
        (follow, own), (_, limit) = costs[False], costs[True]
        print(f"| {num_watchers} | {rate:g} | {follow:.0f} | {own:.1f} | {limit:.1f} | {own / limit:.2f} |", flush=True)


def _costs(
    folder: Path, verdicts: Sequence[Verdict], num_watchers: int, rate: float, seconds: float, *, bare: bool
) -> tuple[float, float]:
    """Microseconds per verdict without watchers, and per verdict and watcher beyond that."""
    count = round(rate * seconds)
    with closing(EmbeddedLog(folder / "log.sqlite")) as log, served(folder, bare=bare) as server:
        idle_s = _publish(log, verdicts, server, count, rate)
        with clients(folder, server.address, "--watchers", str(num_watchers), "--verdicts", str(count)) as lines:
            spent_s = _publish(log, verdicts, server, count, rate, lines)
    return idle_s / count * 1e6, (spent_s - idle_s) / count / num_watchers * 1e6


def _publish(
    log: EmbeddedLog,
    verdicts: Sequence[Verdict],
    server: Served,
    count: int,
    rate: float,
    lines: Iterator[str] | None = None,
) -> float:
    """Processor time of the server while this many verdicts are published."""
    records = outputs(verdicts, time.time_ns() % 10**8, count)
    time.sleep(PAUSE_S)
    before_s, began_s = server.cpu_s(), time.monotonic()
    with closing(log.publisher()) as publisher:
        for number, record in enumerate(records):
            time.sleep(max(0.0, began_s + number / rate - time.monotonic()))
            publisher.publish([record])
            publisher.flush()
    if lines is None:
        time.sleep(PAUSE_S)
    else:
        next(lines)
    return server.cpu_s() - before_s


def earliest(folder: Path, verdicts: Sequence[Verdict], count: int) -> None:
    with closing(EmbeddedLog(folder / "log.sqlite", EmbeddedSettings())) as log, closing(log.publisher()) as publisher:
        for first in range(0, count, 1000):
            publisher.publish(outputs(verdicts, first, 1000))
        publisher.flush()
    print("| server | verdicts | seconds | first after s | server, CPU us per verdict | client, CPU us per verdict "
          "| MiB before | MiB at most |\n" + "|---" * 8 + "|")  # fmt: skip
    for bare in (False, True):
        with served(folder, bare=bare) as server:
            time.sleep(PAUSE_S)
            before_s, rss_mib = server.cpu_s(), server.process.memory_info().rss / 2**20
            with clients(folder, server.address, "--earliest", "--verdicts", str(count)) as lines:
                report = json.loads(next(lines))
            spent_s = server.cpu_s() - before_s
            name = "bare gRPC" if bare else "gateway"
            print(f"| {name} | {count} | {report['took_s']:.1f} | {report['first_s']:.2f} "
                  f"| {spent_s / count * 1e6:.0f} | {report['client_s'] / count * 1e6:.0f} | {rss_mib:.0f} "
                  f"| {server.peak_mib():.0f} |", flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("live", "earliest"))
    parser.add_argument("--watchers", default="1,10,50")
    parser.add_argument("--rate", type=float, default=100.0)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--verdicts", type=int, default=100_000)
    arguments = parser.parse_args()
    verdicts = pool()
    print(f"{sum(verdict.ByteSize() for verdict in verdicts) / POOL:.0f} bytes a verdict")
    with tempfile.TemporaryDirectory(prefix="watching") as folder:
        if arguments.what == "live":
            numbers = [int(number) for number in arguments.watchers.split(",")]
            live(Path(folder), verdicts, numbers, arguments.rate, arguments.seconds)
        else:
            earliest(Path(folder), verdicts, arguments.verdicts)


if __name__ == "__main__":
    main()
