"""Asks a server about pieces as fast as it answers, over a fixed number of connections. A process of its own.

    python -m tests.benchmarks.rivals.load --kind octets --port 8000 --requests FILE --connections 8 --seconds 10

Each connection sends its next request when the last is answered. Requests are encoded before; HTTP is written to the
socket as bytes and read up to Content-Length, so that no client library is measured.
"""

import argparse
import asyncio
import base64
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import grpc.aio
import numpy as np

from protos.inspection.v1.service_pb2 import InspectResponse

Ask = Callable[[int], Awaitable[int]]
"""Sends the request of that number and returns the decision; raises for an answer that is none."""
INSPECT = "/inspection.v1.InspectionService/Inspect"


@dataclass
class Counts:
    latencies_ms: list[float] = field(default_factory=list)
    wrong: int = 0


def http_bytes(kind: str, body: bytes) -> bytes:
    """A whole HTTP/1.1 request around a serialised `InspectRequest`."""
    content_type = "application/octet-stream"
    if kind != "octets":
        text = base64.b64encode(body).decode()
        body = json.dumps({"request": text} if kind == "text" else {"requests": [text]}).encode()
        content_type = "application/json"
    fields = ["Host: localhost", f"Content-Type: {content_type}", f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(["POST /inspect HTTP/1.1", *fields]).encode() + body


class HttpConnection:
    """One connection that is kept; open it with `connect`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, requests: Sequence[bytes]) -> None:
        self._reader, self._writer, self._requests = reader, writer, requests

    async def ask(self, number: int) -> int:
        self._writer.write(self._requests[number])
        head = await self._reader.readuntil(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        length = next(int(h.split(b":")[1]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length:"))
        body = await self._reader.readexactly(length)
        if status != 200:
            raise RuntimeError(f"status {status}: {body[:300]!r}")
        answer = json.loads(body)
        return int((answer[0] if isinstance(answer, list) else answer)["decision"])

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


class GrpcConnection:
    def __init__(self, port: int, requests: Sequence[bytes]) -> None:
        # One connection each, as the peers get: without this option channels of a process share one.
        options = [("grpc.use_local_subchannel_pool", 1)]
        self._channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options)
        self._call: Callable[[bytes], Awaitable[InspectResponse]] = self._channel.unary_unary(
            INSPECT, request_serializer=bytes, response_deserializer=InspectResponse.FromString
        )
        self._requests = requests

    async def ask(self, number: int) -> int:
        response = await self._call(self._requests[number])
        return int(response.verdict.decision)

    async def close(self) -> None:
        await self._channel.close()


async def connect(kind: str, port: int, requests: Sequence[bytes]) -> HttpConnection | GrpcConnection:
    if kind == "grpc":
        return GrpcConnection(port, requests)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    return HttpConnection(reader, writer, requests)


async def ask_on(ask: Ask, number: int, step: int, decisions: Sequence[int], until_s: float, counts: Counts) -> None:
    while (started_s := time.perf_counter()) < until_s:
        decision = await ask(number)
        counts.latencies_ms.append((time.perf_counter() - started_s) * 1e3)
        counts.wrong += decision != decisions[number]
        number = (number + step) % len(decisions)


def write_requests(path: Path, bodies: Sequence[bytes], decisions: Sequence[int]) -> None:
    """One line each: decision, body in base64."""
    lines = [f"{decision} {base64.b64encode(body).decode()}" for body, decision in zip(bodies, decisions, strict=True)]
    path.write_text("\n".join(lines))


def read_requests(path: Path) -> tuple[list[bytes], list[int]]:
    rows = [line.split() for line in path.read_text().splitlines()]
    return [base64.b64decode(body) for _, body in rows], [int(decision) for decision, _ in rows]


async def load(kind: str, port: int, path: Path, connections: int, seconds: float) -> dict[str, float]:
    bodies, decisions = read_requests(path)
    requests = bodies if kind == "grpc" else [http_bytes(kind, body) for body in bodies]
    opened = [await connect(kind, port, requests) for _ in range(connections)]
    counts, started_s, cpu_s = Counts(), time.perf_counter(), time.process_time()
    until_s = started_s + seconds
    await asyncio.gather(
        *(
            ask_on(each.ask, number % len(decisions), connections, decisions, until_s, counts)
            for number, each in enumerate(opened)
        )
    )
    spent_s, num = time.perf_counter() - started_s, len(counts.latencies_ms)
    client_cpu_ms = (time.process_time() - cpu_s) * 1e3 / num
    await asyncio.gather(*(each.close() for each in opened))
    p50, p95, p99 = (float(np.percentile(counts.latencies_ms, share)) for share in (50, 95, 99))
    return {
        "requests": num,
        "per_s": num / spent_s,
        "p50_ms": p50,
        "p95_ms": p95,
        "p99_ms": p99,
        "client_cpu_ms": client_cpu_ms,
        "wrong": counts.wrong,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=("grpc", "octets", "text", "texts"), required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--requests", type=Path, required=True)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    options = parser.parse_args()
    result = asyncio.run(load(options.kind, options.port, options.requests, options.connections, options.seconds))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
