"""Runs a simulated line through a separate service process and collects the verdicts as a gRPC client."""

import itertools
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from inspector.client.client import Client, ClientError, Watch, WatchOptions
from inspector.config.opening import open_log
from inspector.config.service import Service, load_service
from inspector.config.tables import EmbeddedTable
from inspector.demo.page import page_address
from inspector.demo.tally import Tally
from inspector.replay.faults import Faults, Silence
from inspector.replay.pacing import Clock, Published
from inspector.replay.pieces import SimulatedPieces
from inspector.replay.run import Request, prepare
from inspector.simulation.dataset import MICROPHONE
from inspector.simulation.pieces import LineSettings, piece_id, truth_of
from protos.inspection.v1.verdict_pb2 import Verdict

START_BUDGET_S, PATIENCE_S, STOP_BUDGET_S = 120.0, 15.0, 20.0
_LOOK_S = 0.1
_AFTER_S = 0.5
"""The watcher listens this long after the last verdict, to detect duplicates."""


Arrival = tuple[Verdict, int] | ClientError
"""A verdict with its time of receipt, or the error that ended the watch."""
Arrivals = queue.SimpleQueue[Arrival]


class DemoError(Exception):
    """The demo cannot continue; the message says why and where to look."""


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """The simulated line, with an ordinary amount of every fault."""

    config: Path
    num_pieces: int = 600
    rate_hz: float = 12.0
    seed: int = 2026
    """Not the line that the bundle was trained on (seed 1)."""

    @property
    def line(self) -> LineSettings:
        return LineSettings(seed=self.seed)

    @property
    def faults(self) -> Faults:
        middle_s = self.num_pieces / self.rate_hz / 2
        silence = Silence(MICROPHONE, middle_s, middle_s + 3.0, "station-2")
        return Faults(jitter_s=0.02, drop=0.004, duplicate=0.03, silences=(silence,), seed=self.seed)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The client's counts, and the time from the start of the service to the first verdict."""

    tally: Tally
    first_verdict_s: float | None


class DemoLine:
    """A service that runs, and the simulated line that sends pieces to it."""

    def __init__(
        self, settings: DemoSettings, service: Service, process: "_Process", arrivals: Arrivals, started_s: float
    ) -> None:
        self._settings, self._service = settings, service
        self._process, self._arrivals, self._started_s = process, arrivals, started_s

    def run(self, show: Callable[[Verdict, Tally], None]) -> Outcome:
        """Sends the pieces and collects every verdict. Raises DemoError."""
        line = self._settings.line
        numbers = range(self._settings.num_pieces)
        tally = Tally({piece_id(line, number): truth_of(line, number).defects for number in numbers})
        first_s: float | None = None
        with _line(self._settings, self._service) as published:
            for verdict, received_ns in _until_complete(self._arrivals, tally, published, self._process):
                first_s = time.monotonic() - self._started_s if first_s is None else first_s
                tally.add(verdict, received_ns)
                show(verdict, tally)
        return Outcome(tally, None if first_s is None else round(first_s, 2))

    def run_on(self) -> None:
        """Sends further pieces until it is interrupted. Raises DemoError."""
        for more in itertools.count(1):
            settings = replace(self._settings, seed=self._settings.seed + more)
            with _line(settings, self._service) as published:
                while not _ended(published):
                    self._process.check()
                    with suppress(queue.Empty):
                        self._arrivals.get(timeout=_LOOK_S)


@contextmanager
def demo_line(settings: DemoSettings, show_page: Callable[[str], None] = lambda address: None) -> Iterator[DemoLine]:
    """Starts the service, and stops it at the end. `show_page` gets the address of the live page once it answers, from
    another thread. Raises DemoError, ConfigError, LogError."""
    service = load_service(settings.config)
    folder = _cleared(service)
    log_file = folder / "service.log"
    started_s = time.monotonic()
    with (
        _serving(settings.config, log_file) as process,
        page_address(log_file, show_page),
        _watching(service, process) as arrivals,
    ):
        yield DemoLine(settings, service, process, arrivals, started_s)


def _cleared(service: Service) -> Path:
    """Empties the folder of log and archive, because the same pieces come every time, and returns it."""
    table = service.config.log
    if not isinstance(table, EmbeddedTable):
        raise DemoError(f"{service.path}: log.kind is {table.kind!r}; the demo runs on an embedded log")
    folder = table.path.parent
    folder.mkdir(parents=True, exist_ok=True)
    for name in (table.path.name, "archive.sqlite"):
        for path in folder.glob(f"{name}*"):
            path.unlink()
    shutil.rmtree(folder / "recordings", ignore_errors=True)
    return folder


@dataclass(frozen=True, slots=True)
class _Process:
    process: subprocess.Popen[bytes]
    log_file: Path

    def check(self) -> None:
        """Raises DemoError when the service has ended."""
        code = self.process.poll()
        if code is not None:
            log_end = "\n".join(self.log_file.read_text(encoding="utf-8", errors="replace").splitlines()[-10:])
            raise DemoError(f"the service ended with exit code {code}; the end of {self.log_file}:\n{log_end}")


@contextmanager
def _serving(config: Path, log_file: Path) -> Iterator[_Process]:
    """The service as a separate process, stopped at the end as an operator would stop it."""
    command = [sys.executable, "-m", "inspector", "serve", "--config", str(config)]
    with log_file.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:  # noqa: S603
        try:
            yield _Process(process, log_file)
        finally:
            process.terminate()
            try:
                process.wait(STOP_BUDGET_S)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def _watching(service: Service, process: _Process) -> Iterator[Arrivals]:
    """Verdicts as a client receives them, once the gateway answers."""
    arrivals: Arrivals = queue.SimpleQueue()
    with Client(service.config.gateway.listen) as client:
        watch = client.watch(WatchOptions(earliest=True))
        thread = threading.Thread(target=_receive, args=(watch, arrivals), name="watch")
        thread.start()
        try:
            _wait_positioned(watch, process)
            yield arrivals
        finally:
            watch.close()
            thread.join()


def _receive(watch: Watch, arrivals: Arrivals) -> None:
    try:
        for verdict, _ in watch:
            arrivals.put((verdict, time.time_ns()))
    except ClientError as exc:
        arrivals.put(exc)


def _wait_positioned(watch: Watch, process: _Process) -> None:
    deadline_s = time.monotonic() + START_BUDGET_S
    while not watch.positioned.wait(_LOOK_S):
        process.check()
        if time.monotonic() > deadline_s:
            raise DemoError(f"the gateway did not answer within {START_BUDGET_S:.0f} s; see {process.log_file}")


@contextmanager
def _line(settings: DemoSettings, service: Service) -> Iterator[Future[Published]]:
    """The simulated line in a separate thread; it stops with the context."""
    stop = threading.Event()

    def nap(seconds: float) -> None:
        if stop.wait(seconds):
            raise DemoError("the line was stopped before its end")

    def publish() -> Published:
        clock = Clock(sleep=nap)
        request = Request(rate_hz=settings.rate_hz, faults=settings.faults)
        run = prepare(SimulatedPieces(settings.line, settings.num_pieces), service, request, clock.now_ns())
        with closing(open_log(service.path, service.config).publisher()) as publisher:
            return run.publish(publisher, clock)

    with ThreadPoolExecutor(1, thread_name_prefix="line") as pool:
        try:
            yield pool.submit(publish)
        finally:
            stop.set()


def _until_complete(
    arrivals: Arrivals, tally: Tally, published: Future[Published], process: _Process
) -> Iterator[tuple[Verdict, int]]:
    """Verdicts until every piece has one or none came for `PATIENCE_S` after the line's end, and `_AFTER_S` longer."""
    patience_s = PATIENCE_S
    last_s = time.monotonic()
    while time.monotonic() - last_s < patience_s:
        try:
            arrival = arrivals.get(timeout=_LOOK_S)
        except queue.Empty:
            process.check()
            last_s = last_s if _ended(published) else time.monotonic()
            patience_s = _AFTER_S if tally.complete else PATIENCE_S
            continue
        if isinstance(arrival, ClientError):
            raise DemoError(f"the gateway refused the watcher: {arrival}") from arrival
        last_s = time.monotonic()
        yield arrival


def _ended(published: Future[Published]) -> bool:
    """Whether the line has published everything; raises the error that stopped it early."""
    if not published.done():
        return False
    published.result()
    return True
