"""Attacks a real service, one attack after the other, while good clients watch, inspect and probe, and prints a table.

    python -m tests.integration.gateway_attacks --seconds 15 --port 27550

Attackers and good clients share one address, the harder case: behind a relay nobody can be told apart by it. The exit
code is 1 where a good client was refused or failed, a piece has no verdict, or a 99th percentile passes its bound.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import numpy as np
import psutil
from grpc_health.v1 import health_pb2, health_pb2_grpc

from inspector.client.client import Client, ClientError, WatchOptions
from inspector.replay.pieces import LinePiece, SimulatedPieces
from inspector.simulation.dataset import MICROPHONE
from inspector.simulation.pieces import LineSettings
from protos.inspection.v1 import records_pb2 as pb
from protos.inspection.v1.service_pb2 import InspectRequest, SignalClip
from tests.integration.gateway_attackers import ATTACKS, OWN
from tests.texts import DEMO_RECIPE, service_text

BOUNDS_S = {"inspect": 2.0, "health": 1.0, "verdict": 2.0, "metrics": 1.0}
"""99th percentiles; those of verdicts and Inspect are the deadline of the recipe of the demo."""
PAUSE_S = {"inspect": 0.25, "health": 0.25, "metrics": 1.0}
WINDOW_SAMPLES = 4000
TABLES = """
[join]
max_delay_s = 1.0
[floor]
enabled = false
[gateway]
listen = "127.0.0.1:{gateway}"
[metrics]
listen = "127.0.0.1:{metrics}"
"""


@dataclass
class Good:
    """Results of the good clients since the last reading."""

    latencies: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in BOUNDS_S})
    failures: list[str] = field(default_factory=list)

    def p(self, kind: str, share: float) -> float:
        return float(np.quantile(self.latencies[kind] or [np.nan], share))

    @property
    def faults(self) -> list[str]:
        slow = [
            f"{kind}: p99 {self.p(kind, 0.99):.2f} s, bound {bound:g} s"
            for kind, bound in BOUNDS_S.items()
            if not self.p(kind, 0.99) <= bound
        ]
        return slow + self.failures


class GoodClients:
    """One that watches, one that inspects, one that probes over a new connection each time, and Prometheus."""

    def __init__(self, gateway: str, metrics: str) -> None:
        self._gateway, self._metrics = gateway, metrics
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._good = Good()
        self.pieces: set[str] = set()
        self._client = Client(gateway)
        self._watch = self._client.watch(WatchOptions(earliest=True))
        request = inspect_request(SimulatedPieces(LineSettings(seed=7), 1).piece(0))
        calls: dict[str, Callable[[], object]] = {
            "inspect": lambda: self._client.inspect(request, 5.0),
            "health": self._probe,
            "metrics": lambda: urllib.request.urlopen(f"http://{metrics}/metrics", timeout=5).read(),
        }
        self._threads = [threading.Thread(target=self._repeat, args=item) for item in calls.items()]
        self._threads.append(threading.Thread(target=self._receive))

    def __enter__(self) -> "GoodClients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._watch.close()
        for thread in self._threads:
            thread.join()
        self._client.close()

    def look(self) -> Good:
        with self._lock:
            seen, self._good = self._good, Good()
            return seen

    def _repeat(self, kind: str, call: Callable[[], object]) -> None:
        while not self._stop.wait(PAUSE_S[kind]):
            began_s = time.monotonic()
            try:
                call()
            except (ClientError, grpc.RpcError, OSError) as error:
                status = error.code().name if isinstance(error, grpc.RpcError) else str(error)[:120]
                with self._lock:
                    self._good.failures.append(f"{kind}: {status}")
            with self._lock:
                self._good.latencies[kind].append(time.monotonic() - began_s)

    def _receive(self) -> None:
        for verdict, _ in self._watch:
            with self._lock:
                self.pieces.add(verdict.inspection.piece_id)
                self._good.latencies["verdict"].append((time.time_ns() - verdict.capture_ns) / 1e9)

    def _probe(self) -> None:
        with grpc.insecure_channel(self._gateway, OWN) as channel:
            health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)


def inspect_request(piece: LinePiece) -> InspectRequest:
    (shot,) = piece.shots
    sound = piece.recordings[MICROPHONE]
    data = np.ascontiguousarray(sound.samples[:WINDOW_SAMPLES]).astype("<i2").tobytes()
    samples = pb.Samples(format=pb.SAMPLE_FORMAT_S16LE, sample_rate_hz=sound.sample_rate_hz, num_channels=1, data=data)
    return InspectRequest(
        inspection=pb.Inspection(line="line-1", station="station-1", piece_id="asked"),
        product="disc",
        frames=[pb.CameraFrame(camera=shot.camera, pixels=pb.ImagePixels(format=shot.format, data=shot.data))],
        signals=[SignalClip(sensor=MICROPHONE, kind=pb.SIGNAL_KIND_AUDIO, samples=samples)],
    )


@dataclass(frozen=True)
class Row:
    attack: str
    got: str
    good: Good
    rss_mb: tuple[float, float, float]
    """Before, the most, and afterwards."""
    files: tuple[int, int, int]

    @property
    def cells(self) -> list[str]:
        times = [f"{1e3 * self.good.p(kind, 0.5):.0f} / {1e3 * self.good.p(kind, 0.99):.0f}" for kind in BOUNDS_S]
        failed = len(self.good.failures)
        rss = " / ".join(f"{size:.0f}" for size in self.rss_mb)
        return [self.attack, self.got, *times, str(failed), rss, " / ".join(map(str, self.files))]


HEADS = ["attack", "answers to the attacker", *(f"{kind}, ms" for kind in BOUNDS_S), "failed", "MB", "open files"]


@contextmanager
def service(folder: Path, port: int) -> Iterator[psutil.Process]:
    config = folder / "service.toml"
    config.write_text(service_text(DEMO_RECIPE, TABLES.format(gateway=port, metrics=port + 1)), encoding="utf-8")
    log = (folder / "service.log").open("wb")
    with log, subprocess.Popen([*INSPECTOR, "serve", "--config", str(config)], stderr=log, stdout=log) as process:
        try:
            yield psutil.Process(process.pid)
        finally:
            process.terminate()


INSPECTOR = [sys.executable, "-m", "inspector"]


@contextmanager
def line(folder: Path, num_pieces: int) -> Iterator[subprocess.Popen[bytes]]:
    """10 pieces a second."""
    command = [*INSPECTOR, "simulate", "--config", str(folder / "service.toml"), "--pieces", str(num_pieces)]
    with subprocess.Popen([*command, "--rate", "10"], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.terminate()


def attacked(name: str, port: int, seconds: float, process: psutil.Process, good: GoodClients) -> Row:
    module = "tests.integration.gateway_attackers"
    # An attacker has another machine: here it takes only the CPU that service and good clients leave.
    command = ["nice", "-n", "19", sys.executable, "-m", module, name]
    command += [f"127.0.0.1:{port}", f"127.0.0.1:{port + 1}", str(seconds)]
    before = usage(process)
    good.look()
    most = before
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as attacker:
        deadline_s = time.monotonic() + seconds + 30
        while attacker.poll() is None and time.monotonic() < deadline_s:
            time.sleep(0.1)
            now = usage(process)
            most = (max(most[0], now[0]), max(most[1], now[1]))
        attacker.kill()
        printed = attacker.communicate()[0].decode()
    seen = good.look()
    time.sleep(3)
    after = usage(process)
    outcomes = json.loads(printed) if printed else {"the attacker did not end": 1}
    got = ", ".join(f"{status} {count}" for status, count in sorted(outcomes.items()))
    return Row(name, got, seen, (before[0], most[0], after[0]), (before[1], most[1], after[1]))


def usage(process: psutil.Process) -> tuple[float, int]:
    """Memory in MB, open files."""
    return process.memory_info().rss / 1e6, process.num_fds()


def run(names: list[str], seconds: float, port: int, folder: Path) -> tuple[list[Row], str]:
    num_pieces = int(10 * (seconds + 5) * len(names))
    with ExitStack() as stack:
        process = stack.enter_context(service(folder, port))
        wait_serving(port)
        feeding = stack.enter_context(line(folder, num_pieces))
        good = stack.enter_context(GoodClients(f"127.0.0.1:{port}", f"127.0.0.1:{port + 1}"))
        time.sleep(5)
        rows = []
        for name in names:
            rows.append(attacked(name, port, seconds, process, good))
            print(" | ".join(rows[-1].cells), rows[-1].good.faults[:5], flush=True)
        print("waits for the end of the line", flush=True)
        feeding.wait()
        time.sleep(5)
        missing = num_pieces - len(good.pieces)
        return rows, f"{num_pieces} pieces, {missing} of them without a verdict at the watcher"


def wait_serving(port: int) -> None:
    deadline_s = time.monotonic() + 60
    while True:
        try:
            with grpc.insecure_channel(f"127.0.0.1:{port}", OWN) as channel:
                answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=2)
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                return
        except grpc.RpcError:
            if time.monotonic() > deadline_s:
                raise
        time.sleep(0.2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15.0, help="Length of each attack.")
    parser.add_argument("--port", type=int, default=27550, help="The gateway's; the metrics' is the next one.")
    parser.add_argument("--log", type=Path, help="Where the service's log is kept.")
    parser.add_argument("--only", nargs="*", choices=list(ATTACKS), default=list(ATTACKS))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows, pieces = run(options.only, options.seconds, options.port, Path(folder))
        log = (Path(folder) / "service.log").read_text(encoding="utf-8", errors="replace")
        if options.log is not None:
            options.log.write_text(log, encoding="utf-8")
    for cells in (HEADS, ["---"] * len(HEADS), *(row.cells for row in rows)):
        print("| " + " | ".join(cells) + " |")
    faults = [f"{row.attack}: {fault}" for row in rows for fault in row.good.faults]
    if "Traceback" in log:
        faults.append("the service's log holds a traceback")
    foreign = [line for line in log.split("\n") if line and not re.match(r"\d\d:\d\d:\d\d\.\d{3} ", line)]
    if foreign:
        faults.append(f"{len(foreign)} foreign lines in the service's log, the first {foreign[0][:100]!r}")
    if not pieces.split(", ")[1].startswith("0 "):
        faults.append(pieces)
    print(f"\nTimes are p50 / p99; MB and open files before / most / 3 s after. {pieces}.")
    print(f"Lines of the service's log: {len(log.splitlines())}.")
    print("\n".join(faults) or "No good client was refused or waited for too long.")
    raise SystemExit(1 if faults else 0)


if __name__ == "__main__":
    main()
