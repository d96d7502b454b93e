"""A gateway over an embedded log, or a bare gRPC server that sends the same bytes; a process.

    python -m tests.benchmarks.watched_gateway --log log.sqlite
    python -m tests.benchmarks.watched_gateway --log log.sqlite --bare

The bare server shows what gRPC itself costs: it reads all verdicts once and encodes nothing while it sends.
"""

import argparse
import asyncio
import signal
import threading
from contextlib import closing, suppress
from pathlib import Path

import grpc

from inspector.gateway.server import Backend, Gateway
from inspector.gateway.settings import GatewaySettings
from protos.inspection.v1.service_pb2 import GetModelResponse, WatchVerdictsResponse
from streams.embedded import EmbeddedLog
from streams.join.assembly import AssemblySpec, SensorSpec
from streams.log import Start

METHOD = "/inspection.v1.InspectionService/WatchVerdicts"
TOKEN = b"x" * 100
"""About as long as a token of one line."""


class NoRecipes:
    def assembly(self, line: str, station: str, product: str) -> AssemblySpec | None:
        return None

    def sensors(self, line: str, station: str) -> dict[str, SensorSpec]:
        return {}

    def cameras(self, line: str, station: str) -> frozenset[str]:
        return frozenset()

    def traces_open(self, line: str, station: str) -> bool:
        return False


def serve_gateway(log: EmbeddedLog) -> None:
    settings = GatewaySettings(listen="127.0.0.1:0", max_watchers=200, max_connections_per_host=400)
    backend = Backend(log, "b", frozenset({"line-1"}), NoRecipes(), lambda *_: GetModelResponse())
    with Gateway(backend, settings) as gateway:
        gateway.wait_serving(60)
        print(gateway.address, flush=True)
        signal.sigwait({signal.SIGTERM})


class BareStream(grpc.GenericRpcHandler):
    """Sends every message of the log once to each watcher, as it arrives."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.news = asyncio.Event()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        return grpc.unary_stream_rpc_method_handler(self.send)

    async def send(self, _: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> None:
        number = len(self.messages) if dict(context.invocation_metadata() or ()).get("start") == "live" else 0
        await context.send_initial_metadata(())
        await context.write(WatchVerdictsResponse(resume_token=TOKEN).SerializeToString())
        while True:
            while number < len(self.messages):
                await context.write(self.messages[number])
                number += 1
            await self.news.wait()

    def add(self, messages: list[bytes]) -> None:
        self.messages += messages
        self.news.set()
        self.news = asyncio.Event()


async def serve_bare(log: EmbeddedLog) -> None:
    stream, server, loop = BareStream(), grpc.aio.server(), asyncio.get_running_loop()
    server.add_generic_rpc_handlers((stream,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    stop = threading.Event()
    is_read = asyncio.Event()

    def follow() -> None:
        with closing(log.tail(Start(earliest=True))) as tail:
            while not stop.is_set():
                messages = [message_of(record.value) for record in tail.poll(0.2)]
                loop.call_soon_threadsafe(stream.add, messages) if messages else loop.call_soon_threadsafe(is_read.set)

    thread = threading.Thread(target=follow)
    thread.start()
    await is_read.wait()
    print(f"127.0.0.1:{port}", flush=True)
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()
    stop.set()
    thread.join()
    await server.stop(1.0)


def message_of(value: bytes) -> bytes:
    message = WatchVerdictsResponse(resume_token=TOKEN)
    message.verdict.MergeFromString(value)
    return message.SerializeToString()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--bare", action="store_true")
    arguments = parser.parse_args()
    log = EmbeddedLog(arguments.log)
    with suppress(KeyboardInterrupt):
        if arguments.bare:
            asyncio.run(serve_bare(log))
        else:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
            serve_gateway(log)


if __name__ == "__main__":
    main()
