"""A running line for tests of pages: `inspector serve` and `inspector floor` as processes on one embedded log."""

import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from inspector.client.client import Client, WatchOptions
from inspector.config.opening import open_log
from inspector.config.service import Service, load_service
from inspector.replay.faults import PERFECT, Faults
from inspector.replay.pacing import Clock
from inspector.replay.pieces import SimulatedPieces
from inspector.replay.run import Request, prepare
from inspector.simulation.pieces import LineSettings, piece_id
from protos.inspection.v1.verdict_pb2 import Verdict
from tests.servers.process import ServerProcess, free_port

RECIPE = Path(__file__).parents[3] / "deploy" / "recipes" / "demo.toml"
CONFIG = """
lines = ["line-1"]
recipes = ["{recipe}"]
[log]
kind = "embedded"
path = "log.sqlite"
[join]
max_delay_s = 1.0
max_skew_s = 100.0
max_source_offset_s = 100.0
[worker]
bundles = "bundles"
[gateway]
listen = "127.0.0.1:{gateway}"
[floor]
enabled = false
[archive]
min_free_bytes = 0
[recordings]
min_free_bytes = 0
[web]
listen = "127.0.0.1:{web}"
{more}
"""


@dataclass
class RunningLine:
    """Worker, gateway and floor; each can be stopped and started again on its port and data."""

    service: Service
    serve: ServerProcess
    floor: ServerProcess
    _seed: int = field(default=100)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.floor.port}"

    def publish(self, num_pieces: int = 12, rate_hz: float = 24.0, faults: Faults = PERFECT) -> list[Verdict]:
        """Sends new pieces down the line, and returns the verdicts on them."""
        self._seed += 1
        settings = LineSettings(seed=self._seed)
        missing = {piece_id(settings, number) for number in range(num_pieces)}
        verdicts, since_ns = [], time.time_ns()
        self._send(SimulatedPieces(settings, num_pieces), rate_hz, faults)
        with (
            Client(self.service.config.gateway.listen) as client,
            closing(client.watch(WatchOptions(start_time_ns=since_ns))) as watch,
        ):
            for verdict, _ in watch:
                missing.discard(verdict.inspection.piece_id)
                verdicts.append(verdict)
                if not missing:
                    break
        return verdicts

    def _send(self, pieces: SimulatedPieces, rate_hz: float, faults: Faults) -> None:
        clock = Clock()
        run = prepare(pieces, self.service, Request(rate_hz=rate_hz, faults=faults), clock.now_ns())
        with (
            closing(open_log(self.service.path, self.service.config)) as log,
            closing(log.publisher()) as publisher,
        ):
            run.publish(publisher, clock)


@contextmanager
def running_line(folder: Path, more: str = "") -> Iterator[RunningLine]:
    """`more` is added to the configuration file."""
    gateway, web = free_port(), free_port()
    config = folder / "service.toml"
    config.write_text(CONFIG.format(recipe=RECIPE, gateway=gateway, web=web, more=more), encoding="utf-8")
    command = [sys.executable, "-m", "inspector"]
    line = RunningLine(
        load_service(config),
        ServerProcess([*command, "serve", "--config", str(config)], gateway, folder / "serve.log"),
        ServerProcess([*command, "floor", "--config", str(config)], web, folder / "floor.log"),
    )
    try:
        line.serve.start()
        line.floor.start()
        yield line
    finally:
        line.floor.stop()
        line.serve.stop()
