"""Runs the contestants that answer requests, in turn: requests a second over several connections, at what cost."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.rivals.contestants import RequestContestant
from tests.benchmarks.rivals.expected import BUNDLE, RECIPE
from tests.benchmarks.rivals.load import write_requests
from tests.benchmarks.rivals.running import START_BUDGET_S, Running, running
from tests.benchmarks.setting import ROOT, Setting, inspector
from tests.integration.conftest import free_ports

WARM_UP_S = 2.0


@dataclass(frozen=True)
class Answered:
    """Figures of one contestant at one number of connections."""

    name: str
    max_batch: int
    connections: int
    per_s: float
    latency_ms: tuple[float, float, float]
    """p50, p95, p99."""
    server_cpu_ms: float
    """Per request, of all its processes."""
    client_cpu_ms: float
    memory_mib: float
    wrong: int
    """Answers with another decision than the service's judge."""


@dataclass(frozen=True)
class RequestBench:
    folder: Path
    python: Path
    bodies: Sequence[bytes]
    decisions: Sequence[int]

    def run(self, contestant: RequestContestant, connections: Sequence[int], seconds: float) -> Iterator[Answered]:
        requests = self.folder / "requests.txt"
        write_requests(requests, self.bodies, self.decisions)
        with self._server(contestant) as (server, port):
            _load(contestant.kind, port, requests, max(connections), WARM_UP_S)
            for number in connections:
                before_s = server.cpu_s()
                result = _load(contestant.kind, port, requests, number, seconds)
                yield Answered(
                    name=contestant.name,
                    max_batch=contestant.max_batch,
                    connections=number,
                    per_s=result["per_s"],
                    latency_ms=(result["p50_ms"], result["p95_ms"], result["p99_ms"]),
                    server_cpu_ms=(server.cpu_s() - before_s) * 1e3 / result["requests"],
                    client_cpu_ms=result["client_cpu_ms"],
                    memory_mib=server.memory_mib(),
                    wrong=int(result["wrong"]),
                )

    @contextmanager
    def _server(self, contestant: RequestContestant) -> Iterator[tuple[Running, int]]:
        (port,) = free_ports(1)
        commands = contestant.commands(port, self.python, BUNDLE)
        if not commands:
            recipe = RECIPE.read_text().replace('"../bundles/demo"', json.dumps(str(BUNDLE)))
            setting = Setting.create(self.folder / f"inspect-{contestant.name}", "", recipe)
            port = int(setting.address.rsplit(":", 1)[1])
            setting.set_gateway(inspect_batch=contestant.max_batch, share_port=contestant.gateways > 0)
            names = ["serve", *["gateway"] * contestant.gateways]
            commands = [inspector(name, "--config", str(setting.config)) for name in names]
        with running(commands, self.folder / f"inspect-{contestant.name}.log") as server:
            if contestant.gateways:
                server.wait_ready("Gateway answers at", len(commands))
            _wait_answering(server, port)
            yield server, port


def _wait_answering(server: Running, port: int) -> None:
    """Until the port takes connections; the first requests then wait for the model. Raises RuntimeError."""
    deadline_s = time.monotonic() + START_BUDGET_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1.0).close()
        except OSError:
            if any(process.poll() is not None for process in server.processes) or time.monotonic() > deadline_s:
                raise RuntimeError(f"no answer; the log ends with:\n{server.log.read_text()[-3000:]}") from None
            time.sleep(0.2)
        else:
            return


def _load(kind: str, port: int, requests: Path, connections: int, seconds: float) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.rivals.load", "--kind", kind, "--port", str(port)]
    command += ["--requests", str(requests), "--connections", str(connections), "--seconds", str(seconds)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds + 60.0, check=False)
    if done.returncode:
        raise RuntimeError(f"the load generator failed:\n{done.stderr[-2000:]}")
    result: dict[str, float] = json.loads(done.stdout)
    return result
