"""Clients that watch a gateway; a process. Prints `ready` when all are positioned, then a line of JSON at the end.

    python -m tests.benchmarks.watchers --address 127.0.0.1:50051 --watchers 10 --verdicts 1000
    python -m tests.benchmarks.watchers --address 127.0.0.1:50051 --earliest --verdicts 100000

Live watchers only count messages, so that little of a shared processor goes to them; `--earliest` is one ordinary
client, which parses every verdict.
"""

import argparse
import asyncio
import json
import time
from itertools import islice

import grpc

from inspector.client.client import CHANNEL_OPTIONS, Client, WatchOptions
from protos.inspection.v1.service_pb2 import WatchVerdictsRequest
from tests.benchmarks.watched_gateway import METHOD


async def watch_live(address: str, num_watchers: int, num_verdicts: int) -> None:
    waiting = num_watchers
    is_ready = asyncio.Event()

    async def watch() -> None:
        nonlocal waiting
        options = [*CHANNEL_OPTIONS, ("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(address, options) as channel:
            method: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(METHOD)
            call = method(WatchVerdictsRequest().SerializeToString(), metadata=(("start", "live"),))
            await call.read()
            waiting -= 1
            if not waiting:
                is_ready.set()
            received = 0
            while received < num_verdicts:
                message = await call.read()
                # A verdict; a heartbeat has a token only.
                received += isinstance(message, bytes) and message[:1] == b"\x0a"

    watchers = [asyncio.create_task(watch()) for _ in range(num_watchers)]
    await is_ready.wait()
    print("ready", flush=True)
    await asyncio.gather(*watchers)
    print(json.dumps({}), flush=True)


def watch_earliest(address: str, num_verdicts: int) -> None:
    print("ready", flush=True)
    with Client(address) as client:
        watch = client.watch(WatchOptions(earliest=True))
        began_s, first_s = time.monotonic(), 0.0
        for _ in islice(watch, num_verdicts):
            first_s = first_s or time.monotonic() - began_s
        took_s = time.monotonic() - began_s
        watch.close()
    print(json.dumps({"took_s": took_s, "first_s": first_s, "client_s": time.process_time()}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--address", required=True)
    parser.add_argument("--watchers", type=int, default=1)
    parser.add_argument("--verdicts", type=int, required=True)
    parser.add_argument("--earliest", action="store_true")
    arguments = parser.parse_args()
    if arguments.earliest:
        watch_earliest(arguments.address, arguments.verdicts)
    else:
        asyncio.run(watch_live(arguments.address, arguments.watchers, arguments.verdicts))


if __name__ == "__main__":
    main()
