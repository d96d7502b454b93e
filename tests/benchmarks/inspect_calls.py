"""How many `Inspect` calls a service answers, by the number of clients that each wait for their answer.

    python -m tests.benchmarks.inspect_calls --clients 1,4,16 --seconds 10

The demo's bundle, one picture and one sound for all calls; service and clients in processes of their own. Beside it,
in the same run: the same work in a loop on one thread, without gRPC, one piece and eight at a time.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeAlias

import grpc
import numpy as np
import psutil

from inspector.api.pieces import Piece, request_of
from inspector.config.tables import WorkerTable
from inspector.gateway.request import observation_of
from inspector.inference.opening import open_models
from inspector.judging.routed_judge import RoutedJudge
from inspector.recipe.recipes import Recipes, load_recipe
from inspector.replay.pieces import SimulatedPieces
from inspector.rollout.admission import Admission
from inspector.simulation.pieces import LineSettings
from protos.inspection.v1.service_pb2 import InspectRequest, InspectResponse
from streams.decode.limits import Limits
from tests.benchmarks.setting import ROOT, Setting, inspector, process, service

Server: TypeAlias = "subprocess.Popen[str]"
METHOD = "/inspection.v1.InspectionService/Inspect"
RECIPE = ROOT / "deploy/recipes/demo.toml"
WARM_UP_S = 2.0


def request() -> InspectRequest:
    """A good piece of the synthetic line, as the demo's line would send it."""
    recipe = load_recipe(RECIPE).recipe
    piece = SimulatedPieces(LineSettings(seed=2026), 1).piece(0)
    images = {shot.camera: shot.data for shot in piece.shots}
    signals = {name: (sound.samples, sound.sample_rate_hz) for name, sound in piece.recordings.items()}
    sent = request_of(Piece(images, signals, "piece-1"), recipe.assembly, recipe.product, "bgr")
    sent.inspection.line, sent.inspection.station = recipe.line, "station-1"
    return sent


def work_alone(data: bytes, batch: int, seconds: float) -> float:
    """Milliseconds of processor time per piece: parse, decode, judge, serialise; on one thread."""
    recipe, limits = load_recipe(RECIPE).recipe, Limits()
    worker = WorkerTable(threads=1)
    models = open_models([recipe], worker.engine_preferences, lambda some: Admission(some, worker.max_batch))
    recipes = Recipes([recipe])
    judge = RoutedJudge(recipes, models, worker.max_batch)

    def turn() -> None:
        parsed = [InspectRequest.FromString(data) for _ in range(batch)]
        pieces = [observation_of(one, recipes, limits, time.time_ns()) for one in parsed]
        for verdict in judge.judge(pieces):
            InspectResponse(verdict=verdict).SerializeToString()

    turn()
    count, began_s, spent_s = 0, time.monotonic(), time.process_time()
    while time.monotonic() - began_s < seconds:
        turn()
        count += batch
    return (time.process_time() - spent_s) / count * 1e3


async def call_in_loop(address: str, data: bytes, num_clients: int, seconds: float) -> None:
    """Every client has a connection of its own, and sends its next request when the last is answered."""
    begin_s = time.monotonic() + WARM_UP_S
    waits_ms: list[float] = []
    num_refused = 0

    async def client() -> None:
        nonlocal num_refused
        async with grpc.aio.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(METHOD)
            while (sent_s := time.monotonic()) < begin_s + seconds:
                try:
                    await call(data, timeout=60)
                except grpc.aio.AioRpcError:
                    num_refused += 1
                    await asyncio.sleep(0.01)
                    continue
                if sent_s >= begin_s:
                    waits_ms.append((time.monotonic() - sent_s) * 1e3)

    async def say_begin() -> None:
        await asyncio.sleep(begin_s - time.monotonic())
        print("begin", flush=True)

    clients = [client() for _ in range(num_clients)]
    await asyncio.gather(say_begin(), *clients)
    print(json.dumps({"waits_ms": waits_ms, "refused": num_refused}), flush=True)


def measure(setting: Setting, servers: Sequence[Server], data: Path, num_clients: int, seconds: float) -> str:
    command = [sys.executable, "-m", "tests.benchmarks.inspect_calls", "--call", setting.address, "--data", str(data)]
    command += ["--clients", str(num_clients), "--seconds", str(seconds)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as clients:
        assert clients.stdout is not None
        clients.stdout.readline()
        before_s, began_s = cpu_s(servers), time.monotonic()
        report = json.loads(clients.stdout.readline())
        spent_s, took_s = cpu_s(servers) - before_s, time.monotonic() - began_s
    waits_ms = report["waits_ms"]
    p50, p99 = np.percentile(waits_ms, (50, 99))
    return (
        f"| {num_clients} | {len(waits_ms) / took_s:.0f} | {spent_s / len(waits_ms) * 1e3:.2f} | {p50:.1f} | {p99:.1f} "
        f"| {report['refused']} |"
    )


def table(numbers: list[int], seconds: float, num_gateways: int) -> None:
    data = request().SerializeToString()
    for batch in (1, 8):
        print(f"alone, {batch} at a time: {work_alone(data, batch, seconds / 2):.2f} ms CPU per piece", flush=True)
    recipe = RECIPE.read_text().replace('"../bundles/demo"', json.dumps(str(ROOT / "deploy/bundles/demo")))
    with tempfile.TemporaryDirectory(prefix="inspect") as folder:
        setting = Setting.create(Path(folder) / "service", "", recipe)
        sent = Path(folder) / "request"
        sent.write_bytes(data)
        setting.set_gateway(share_port=num_gateways > 1)
        with service(setting) as serving, gateways(setting, num_gateways - 1) as others:
            print(
                "| clients | requests/s | service, CPU ms per request | p50 ms | p99 ms | refused |\n"
                + "|---" * 6
                + "|"
            )
            for num_clients in numbers:
                print(measure(setting, [serving, *others], sent, num_clients, seconds), flush=True)


@contextmanager
def gateways(setting: Setting, number: int) -> Iterator[list[Server]]:
    """So many `inspector gateway` at the address of the service, once they listen."""
    command = inspector("gateway", "--config", str(setting.config))
    with ExitStack() as stack:
        logs = [setting.folder / f"gateway-{index}.log" for index in range(number)]
        running = [stack.enter_context(process(command, log)) for log in logs]
        while not all("Gateway answers at" in log.read_text() for log in logs):
            time.sleep(0.1)
        yield running


def cpu_s(servers: Sequence[Server]) -> float:
    times = [psutil.Process(server.pid).cpu_times() for server in servers]
    return sum(each.user + each.system for each in times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", default="1,4,16")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--gateways", type=int, default=1, help="processes that share the port; default 1")
    parser.add_argument("--call", metavar="ADDRESS", help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.call:
        data = arguments.data.read_bytes()
        asyncio.run(call_in_loop(arguments.call, data, int(arguments.clients), arguments.seconds))
    else:
        table([int(number) for number in arguments.clients.split(",")], arguments.seconds, arguments.gateways)


if __name__ == "__main__":
    main()
