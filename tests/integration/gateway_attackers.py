"""Clients that want to keep a gateway from serving others, one a process: prints as JSON what each of them got.

python -m tests.integration.gateway_attackers idle-calls 127.0.0.1:50051 127.0.0.1:9464 15
"""

import itertools
import json
import os
import random
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from struct import pack

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from protos.inspection.v1.records_pb2 import PIXEL_FORMAT_JPEG, CameraFrame, Feedback, ImagePixels, Inspection, Label
from protos.inspection.v1.service_pb2 import (
    GetModelRequest,
    GetVerdictRequest,
    InspectRequest,
    SubmitFeedbackRequest,
    WatchStart,
    WatchVerdictsRequest,
)
from protos.inspection.v1.service_pb2_grpc import InspectionServiceStub

SERVICE = "/inspection.v1.InspectionService/"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"
OWN = [("grpc.use_local_subchannel_pool", 1)]


class Attack:
    """Where, until when, and what came of it."""

    def __init__(self, gateway: str, metrics: str, seconds: float) -> None:
        self.gateway, self.metrics = gateway, metrics
        self._end_s = time.monotonic() + seconds
        self.outcomes: Counter[str] = Counter()
        self.stack = ExitStack()

    @property
    def goes_on(self) -> bool:
        return time.monotonic() < self._end_s

    def channel(self) -> grpc.Channel:
        return self.stack.enter_context(grpc.insecure_channel(self.gateway, OWN))

    def connect(self, address: str) -> socket.socket:
        host, _, port = address.rpartition(":")
        return self.stack.enter_context(closing(socket.create_connection((host, int(port)), 5)))

    def wait(self) -> None:
        while self.goes_on:
            time.sleep(0.1)

    def repeat(self, call: Callable[[], object], num_threads: int) -> None:
        """In a loop, on so many threads, counting the statuses."""

        def run() -> None:
            while self.goes_on:
                try:
                    call()
                    self.outcomes["OK"] += 1
                except grpc.RpcError as error:
                    self.outcomes[error.code().name] += 1
                except OSError as error:
                    self.outcomes[type(error).__name__] += 1

        threads = [threading.Thread(target=run) for _ in range(num_threads)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def hold(self, open_call: Callable[[grpc.Channel], grpc.Call], per_channel: int, channels: int) -> None:
        """Keeps this many calls open and reopens ended ones."""
        opened = [self.channel() for _ in range(channels)]
        calls = [(channel, open_call(channel)) for channel in opened for _ in range(per_channel)]
        while self.goes_on:
            time.sleep(0.2)
            for number, (channel, call) in enumerate(calls):
                if not call.is_active():
                    self.outcomes[call.code().name] += 1
                    calls[number] = (channel, open_call(channel))
        self.outcomes["held"] = sum(call.is_active() for _, call in calls)
        for _, call in calls:
            call.cancel()


def never(attack: Attack) -> Iterator[bytes]:
    while attack.goes_on:
        time.sleep(0.2)
    yield from ()


def idle_calls(attack: Attack) -> None:
    """138 calls on each of 4 channels whose request never comes."""
    methods = itertools.cycle(("GetVerdict", "Inspect", "WatchVerdicts"))

    def open_call(channel: grpc.Channel) -> grpc.Call:
        call: grpc.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(SERVICE + next(methods))
        return call(never(attack))

    attack.hold(open_call, 138, 4)


def health_watches(attack: Attack) -> None:
    """138 on each of 4 channels."""
    request = health_pb2.HealthCheckRequest()
    attack.hold(lambda channel: health_pb2_grpc.HealthStub(channel).Watch(request), 138, 4)


def watchers(attack: Attack) -> None:
    """64 on each of 2 channels, from the oldest verdict on, that read nothing."""
    request = WatchVerdictsRequest(start_at=WatchStart.WATCH_START_EARLIEST)
    attack.hold(lambda channel: InspectionServiceStub(channel).WatchVerdicts(request), 64, 2)


def slow_bodies(attack: Attack) -> None:
    """50 connections with 10 calls each, whose request comes by a byte a second."""
    host, _, port = attack.gateway.rpartition(":")
    slow = [attack.connect(f"{host}:{port}") for _ in range(50)]
    for connection in slow:
        with suppress(OSError):
            connection.sendall(PREFACE + b"".join(_begun(2 * number + 1, attack.gateway) for number in range(10)))
    while attack.goes_on:
        time.sleep(1)
        for connection in slow:
            try:
                connection.sendall(b"".join(_frame(0, 0, 2 * number + 1, b"x") for number in range(10)))
            except OSError:
                attack.outcomes["connection closed"] += 1
    attack.outcomes["connections"] = len(slow)


def _begun(stream: int, authority: str) -> bytes:
    headers = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", SERVICE + "Inspect"),
        (":authority", authority),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ]
    block = b"".join(b"\0" + bytes([len(name)]) + name.encode() + bytes([len(v)]) + v.encode() for name, v in headers)
    return _frame(1, 4, stream, block) + _frame(0, 0, stream, pack(">BI", 0, 8 * 2**20))


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return pack(">I", len(payload))[1:] + bytes([kind, flags]) + pack(">I", stream) + payload


def huge_bodies(attack: Attack) -> None:
    """138 calls of Inspect at a time, of 8 MiB each, over 4 channels."""
    pixels = ImagePixels(format=PIXEL_FORMAT_JPEG, data=os.urandom(8 * 2**20))
    inspection = Inspection(line="line-1", station="s", piece_id="1")
    data = InspectRequest(
        inspection=inspection, product="disc", frames=[CameraFrame(camera="top", pixels=pixels)]
    ).SerializeToString()
    calls: list[grpc.UnaryUnaryMultiCallable[bytes, bytes]] = [
        attack.channel().unary_unary(SERVICE + "Inspect") for _ in range(4)
    ]
    next_call = itertools.cycle(calls)
    attack.repeat(lambda: next(next_call)(data, timeout=10), 138)


def filter_bombs(attack: Attack) -> None:
    """A million stations, from 8 threads; and 64 watchers with as many names as are allowed."""
    bomb = WatchVerdictsRequest(stations=[f"{number:06d}" for number in range(1_000_000)]).SerializeToString()
    names = [f"{number:048d}" for number in range(256)]
    allowed = WatchVerdictsRequest(lines=names, stations=names, products=names)
    channel = attack.channel()
    held = [InspectionServiceStub(channel).WatchVerdicts(allowed) for _ in range(64)]
    watch: grpc.UnaryStreamMultiCallable[bytes, bytes] = attack.channel().unary_stream(SERVICE + "WatchVerdicts")
    attack.repeat(lambda: next(watch(bomb, timeout=5)), 8)
    attack.outcomes["held"] = sum(call.is_active() for call in held)
    for call in held:
        call.cancel()


def feedback_flood(attack: Attack) -> None:
    """4 KiB each, about one piece that exists and many that do not, from 8 threads."""
    stub = InspectionServiceStub(attack.channel())
    request = WatchVerdictsRequest(start_at=WatchStart.WATCH_START_EARLIEST)
    known = next(message for message in stub.WatchVerdicts(request, timeout=10) if message.HasField("verdict"))
    numbers = itertools.count()

    def submit() -> None:
        number = next(numbers)
        inspection = (
            known.verdict.inspection if number % 2 else Inspection(line="line-1", station="s", piece_id=str(number))
        )
        feedback = Feedback(
            inspection=inspection, label=Label.LABEL_NOK, note="x" * 4096, defects=["d" * 100] * 64, author="bob"
        )
        stub.SubmitFeedback(SubmitFeedbackRequest(feedback=feedback), timeout=10)

    attack.repeat(submit, 8)


def lookups(attack: Attack) -> None:
    """Verdicts of pieces that never were, from 8 threads."""
    stub, numbers = InspectionServiceStub(attack.channel()), itertools.count()

    def ask() -> None:
        inspection = Inspection(line="line-1", station="s", piece_id=str(next(numbers)))
        stub.GetVerdict(GetVerdictRequest(inspection=inspection), timeout=10)

    attack.repeat(ask, 8)


def call_flood(attack: Attack) -> None:
    """Small calls as fast as they go, from 8 threads on 4 channels."""
    stubs = itertools.cycle([InspectionServiceStub(attack.channel()) for _ in range(4)])
    attack.repeat(lambda: next(stubs).GetModel(GetModelRequest(), timeout=10), 8)


def metrics_connections(attack: Attack) -> None:
    """1,100 connections to the metrics port that begin a request."""
    _hold_connections(attack, attack.metrics, 1100, b"GET /metrics HTTP/1.1\r\nX: ")


def connection_flood(attack: Attack) -> None:
    """1,100 connections to the gRPC port, every other one with a valid beginning; opened again when closed."""
    _hold_connections(attack, attack.gateway, 1100, b"", PREFACE)


def _hold_connections(attack: Attack, address: str, count: int, *greetings: bytes) -> None:
    held: list[socket.socket | None] = [None] * count
    while attack.goes_on:
        for number, connection in enumerate(held):
            if connection is not None and not _is_open(connection):
                attack.outcomes["closed"] += 1
                connection.close()
                connection = None
            if connection is None and attack.goes_on:
                with suppress(OSError):
                    held[number] = opened = attack.connect(address)
                    opened.sendall(greetings[number % len(greetings)])
                    opened.setblocking(False)
                    attack.outcomes["opened"] += 1
        time.sleep(0.2)
    attack.outcomes["held"] = sum(connection is not None and _is_open(connection) for connection in held)


def _is_open(connection: socket.socket) -> bool:
    try:
        while connection.recv(4096):
            pass
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def garbage(attack: Attack) -> None:
    """Connections of random bytes, HTTP/1, broken frames and floods of settings, from 4 threads."""
    chance = random.Random(1)

    def send() -> None:
        broken = PREFACE + _frame(
            chance.randrange(12), chance.randrange(256), chance.randrange(9), chance.randbytes(40)
        )
        kinds = (chance.randbytes(1000), b"GET / HTTP/1.1\r\n\r\n", broken, PREFACE + PREFACE[24:] * 500)
        host, _, port = attack.gateway.rpartition(":")
        with closing(socket.create_connection((host, int(port)), 5)) as connection:
            connection.sendall(chance.choice(kinds))
            connection.settimeout(0.2)
            with suppress(TimeoutError):
                connection.recv(100)

    attack.repeat(send, 4)


ATTACKS: dict[str, Callable[[Attack], None]] = {
    "none": Attack.wait,
    "idle-calls": idle_calls,
    "health-watches": health_watches,
    "slow-bodies": slow_bodies,
    "huge-bodies": huge_bodies,
    "filter-bombs": filter_bombs,
    "feedback-flood": feedback_flood,
    "lookups": lookups,
    "call-flood": call_flood,
    "metrics-connections": metrics_connections,
    "connection-flood": connection_flood,
    "idle-watchers": watchers,
    "garbage": garbage,
}


def main() -> None:
    name, gateway, metrics, seconds = sys.argv[1:]
    attack = Attack(gateway, metrics, float(seconds))
    with attack.stack:
        ATTACKS[name](attack)
        print(json.dumps(attack.outcomes))
        sys.stdout.flush()
        os._exit(0)  # hundreds of open calls leave threads that wait for them


if __name__ == "__main__":
    main()
