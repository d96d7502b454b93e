"""Clients that hold calls, send nothing, send too much or vanish: over real channels, next to a normal client."""

import asyncio
import contextlib
import gc
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import grpc
import psutil
import pytest
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc

from inspector.client.client import Client, ClientError
from inspector.gateway import entrance
from inspector.gateway.server import Gateway
from protos.inspection.v1.records_pb2 import Feedback, Inspection, Label
from protos.inspection.v1.service_pb2 import GetModelRequest, WatchStart, WatchVerdictsRequest
from protos.inspection.v1.service_pb2_grpc import InspectionServiceStub
from protos.inspection.v1.verdict_pb2 import Verdict
from streams.observation import Observation
from streams.records import Record
from tests.inspector.gateway.conftest import CountingJudge
from tests.inspector.gateway.memory_log import MemoryLog
from tests.inspector.gateway.test_service import frame, request
from tests.waiting import until

Put = Callable[..., Record]
Gateways = Callable[..., Gateway]
Clients = Callable[..., Client]
SERVICE = "/inspection.v1.InspectionService/"
PROBE = health_pb2.HealthCheckRequest()
IDLE = 138


@pytest.fixture
def attacker(gateways: Gateways) -> Iterator[grpc.Channel]:
    """A channel of its own, to the gateway under `gateways`."""
    with contextlib.ExitStack() as stack:
        yield stack.enter_context(grpc.insecure_channel(gateways().address, [("grpc.use_local_subchannel_pool", 1)]))


class Silence:
    """Requests that never come, until the end of the test."""

    def __init__(self) -> None:
        self._end = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        self._end.wait(30)
        return iter(())

    def end(self) -> None:
        self._end.set()


def hold(channel: grpc.Channel, method: str, silence: Silence, count: int) -> list[grpc.Future]:
    open_call: grpc.StreamUnaryMultiCallable[bytes, bytes] = channel.stream_unary(SERVICE + method)
    return [open_call.future(iter_late(silence)) for _ in range(count)]


def iter_late(silence: Silence) -> Iterator[bytes]:
    yield from silence


def served(client: Client) -> None:
    """Every kind of call is answered."""
    assert client.model().bundle == "demo"
    assert client.inspect(request([frame(), frame(1)])).inspection.piece_id == "000001"
    health = health_pb2_grpc.HealthStub(client._channel)
    assert health.Check(PROBE, timeout=60).status == health_pb2.HealthCheckResponse.SERVING
    watch = InspectionServiceStub(client._channel).WatchVerdicts(WatchVerdictsRequest(), timeout=60)
    next(watch)
    watch.cancel()


@pytest.mark.parametrize("method", ["GetVerdict", "Inspect", "WatchVerdicts"])
def test_idle_calls_of_one_client_lock_nobody_out(gateways: Gateways, clients: Clients, method: str) -> None:
    gateway, silence = gateways(request_wait_s=0.1), Silence()
    with grpc.insecure_channel(gateway.address) as channel:
        calls = hold(channel, method, silence, IDLE)
        until(lambda: sum(call.done() for call in calls) >= IDLE - 20)
        served(clients(gateway))
        silence.end()


def test_idle_health_watches_lock_nobody_out(gateways: Gateways, clients: Clients) -> None:
    gateway = gateways()
    with grpc.insecure_channel(gateway.address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        watches = [health_pb2_grpc.HealthStub(channel).Watch(PROBE) for _ in range(IDLE)]
        until(lambda: sum(watch.is_active() for watch in watches) == 32)
        served(clients(gateway))
        for watch in watches:
            watch.cancel()


def test_a_watcher_displaces_one_of_a_client_that_has_all(gateways: Gateways, clients: Clients) -> None:
    gateway = gateways(max_watchers=4, heartbeat_s=60.0)  # a client learns its status behind unread messages
    with grpc.insecure_channel(gateway.address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        watches = [InspectionServiceStub(channel).WatchVerdicts(WatchVerdictsRequest()) for _ in range(4)]
        for watch in watches:
            next(watch)
        served(clients(gateway))
        until(lambda: not all(watch.is_active() for watch in watches))
        (displaced,) = [watch for watch in watches if not watch.is_active()]
        assert displaced.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "held the most" in displaced.details()


def test_a_request_that_does_not_come_is_not_waited_for(gateways: Gateways) -> None:
    silence = Silence()
    with grpc.insecure_channel(gateways(request_timeout_s=0.1).address) as channel:
        (call,) = hold(channel, "GetModel", silence, 1)
        assert isinstance(error := call.exception(5), grpc.RpcError)
        silence.end()
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "not complete after 0.1 s" in (error.details() or "")


@pytest.mark.parametrize(
    ("messages", "says"),
    [
        ([], "without a request"),
        ([b"\xff"], "does not parse"),
        ([bytes(200_000)], "has 200000 bytes, expected at most"),
    ],
)
def test_invalid_requests_are_refused_with_a_reason(gateways: Gateways, messages: list[bytes], says: str) -> None:
    with grpc.insecure_channel(gateways().address) as channel:
        get_verdict: grpc.StreamUnaryMultiCallable[bytes, bytes] = channel.stream_unary(SERVICE + "GetVerdict")
        with pytest.raises(grpc.RpcError) as refused:
            get_verdict(iter(messages), timeout=60)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert says in (refused.value.details() or "")


def test_incomplete_requests_are_bounded_in_bytes(gateways: Gateways, clients: Clients) -> None:
    """As many as `unread_bytes` has room for are read; the next one of the same client is refused, unread."""
    gateway, silence = gateways(unread_bytes=15 * (8 * 2**20 + 256 * 2**10), request_wait_s=0.1), Silence()
    with grpc.insecure_channel(gateway.address) as channel:
        calls = hold(channel, "Inspect", silence, 6)
        until(lambda: any(call.done() for call in calls))
        refused = [call.exception(5) for call in calls if call.done()]
        assert [error.code() for error in refused if isinstance(error, grpc.RpcError)] == [
            grpc.StatusCode.RESOURCE_EXHAUSTED
        ]
        silence.end()


def test_pieces_wait_for_room_to_be_read(gateways: Gateways, clients: Clients) -> None:
    """Of one client at once, more than are read at a time: all are answered."""
    gateway = gateways(unread_bytes=1, inspect_queue=30)
    stub = InspectionServiceStub(clients(gateway)._channel)
    pixels = frame(data=bytes(4 * 2**20))
    calls = [stub.Inspect.future(request([pixels])) for _ in range(12)]
    codes = {call.code() for call in calls if call.exception(30) is not None}
    assert codes == {grpc.StatusCode.INVALID_ARGUMENT}  # zeros are no picture


def test_refused_requests_are_freed_at_once(gateways: Gateways, clients: Clients) -> None:
    """Not when the garbage collector comes, which counts objects, not bytes."""
    stub = InspectionServiceStub(clients(gateways())._channel)
    bad = request([frame(data=bytes(6 * 2**20))])
    gc.disable()
    try:
        for number in range(12):
            if number == 2:
                before = psutil.Process().memory_info().rss
            with pytest.raises(grpc.RpcError):
                stub.Inspect(bad)
        assert psutil.Process().memory_info().rss - before < 30e6
    finally:
        gc.enable()


def test_waiting_requests_are_not_parsed(
    gateways: Gateways, clients: Clients, judge: CountingJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue holds bytes; only the request being judged is parsed, and refused ones never are."""
    parsed: list[int] = []
    release, at_work, plain = threading.Event(), threading.Event(), judge.judge

    def slowly(observations: Sequence[Observation]) -> list[Verdict]:
        at_work.set()
        assert release.wait(60)
        return plain(observations)

    monkeypatch.setattr(judge, "judge", slowly)

    def parse(deserialize: Callable[[bytes], Message], data: bytes) -> Message:
        parsed.append(1)
        return entrance.parsed(deserialize, data)

    monkeypatch.setattr("inspector.gateway.inspecting.parsed", parse)
    gateway = gateways(inspect_concurrency=1, inspect_queue=2)
    with grpc.insecure_channel(gateway.address) as channel:
        inspect = InspectionServiceStub(channel).Inspect
        calls = [inspect.future(request()) for _ in range(6)]
        assert at_work.wait(60)
        until(lambda: sum(call.done() for call in calls) == 3)
        assert len(parsed) == 1
        release.set()
        codes = [call.code() for call in calls if call.exception(5) is not None]
    assert codes == [grpc.StatusCode.RESOURCE_EXHAUSTED] * 3


def test_the_queue_of_inspect_takes_turns_between_clients(
    gateways: Gateways, clients: Clients, judge: CountingJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway, plain = gateways(inspect_concurrency=1, inspect_queue=8), judge.judge
    go = threading.Semaphore(0)

    def stepwise(observations: Sequence[Observation]) -> list[Verdict]:
        assert go.acquire(timeout=60)
        return plain(observations)

    monkeypatch.setattr(judge, "judge", stepwise)
    with grpc.insecure_channel(gateway.address, [("grpc.use_local_subchannel_pool", 1)]) as greedy:
        many = [InspectionServiceStub(greedy).Inspect.future(request()) for _ in range(20)]
        until(lambda: sum(call.done() for call in many) == 11)
        good = InspectionServiceStub(clients(gateway)._channel).Inspect.future(request(product="unknown"))
        until(lambda: sum(call.done() for call in many) == 12)  # one of the greedy client's made room
        go.release(2)
        assert good.result(5)
        go.release(20)
        for call in many:
            call.exception(5)


@pytest.mark.parametrize(
    ("selection", "says"),
    [
        ({"stations": [f"{number:06d}" for number in range(257)]}, "257 stations, expected at most 256"),
        ({"decisions": [1] * 257}, "257 decisions, expected at most 256"),
        ({"lines": ["x" * 49]}, "a line is"),
        ({"stations": ["a b"]}, "a station is"),
        ({"products": ["x" * 129]}, "a product is"),
        ({"stations": [f"{number:06d}" for number in range(100_000)]}, "bytes, expected at most"),
    ],
)
def test_filters_are_bounded(gateways: Gateways, clients: Clients, selection: dict[str, list[str]], says: str) -> None:
    stub = InspectionServiceStub(clients(gateways())._channel)
    with pytest.raises(grpc.RpcError) as refused:
        next(stub.WatchVerdicts(WatchVerdictsRequest(**selection)))  # type: ignore[arg-type]
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert says in (refused.value.details() or "")


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.model("x" * 129),
        lambda client: client.verdict(Inspection(line="x" * 49, station="s", piece_id="1")),
        lambda client: client.verdict(Inspection(line="a", station="s", piece_id="x" * 129)),
        lambda client: client.verdict(Inspection(line="a", station="s", piece_id="a\nb")),
    ],
)
def test_names_in_requests_are_bounded(gateways: Gateways, clients: Clients, call: Callable[[Client], object]) -> None:
    with pytest.raises(ClientError) as refused:
        call(clients(gateways()))
    assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT


def test_slow_readers_of_history_yield_to_a_newcomer(gateways: Gateways, clients: Clients, put: Put) -> None:
    for number in range(200):
        put(number, note=b"x" * 50_000)
    gateway = gateways(max_readers=2, ring_count=5, send_timeout_s=30.0, reader_wait_s=2.0)
    with grpc.insecure_channel(gateway.address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        slow = [
            InspectionServiceStub(channel).WatchVerdicts(WatchVerdictsRequest(start_at=WatchStart.WATCH_START_EARLIEST))
            for _ in range(2)
        ]
        for watch in slow:
            next(watch)
        served(clients(gateway))
        for watch in slow:
            watch.cancel()


def test_a_watcher_that_is_cut_off_leaves_one_line(
    gateways: Gateways, put: Put, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inspector.gateway.entrance.ABORT_BUDGET_S", 0.1)
    for number in range(200):
        put(number, note=b"x" * 50_000)
    caplog.set_level(logging.INFO)
    gateway = gateways(send_timeout_s=0.2)
    with grpc.insecure_channel(gateway.address) as channel:
        stalled = InspectionServiceStub(channel).WatchVerdicts(
            WatchVerdictsRequest(start_at=WatchStart.WATCH_START_EARLIEST)
        )
        next(stalled)
        until(lambda: "without sending its status" in caplog.text)
    gateway.stop()
    assert not [record for record in caplog.records if record.exc_info]
    assert caplog.text.count("without sending its status") == 1


def test_clients_that_vanish_leave_no_trace(
    gateways: Gateways, put: Put, caplog: pytest.LogCaptureFixture, judge: CountingJudge
) -> None:
    """Channels are closed in the middle of whatever their calls do."""
    for number in range(50):
        put(number, note=b"x" * 50_000)
    gateway, silence = gateways(), Silence()
    for delay_s in (0.0, 0.001, 0.005, 0.02, 0.05):
        with grpc.insecure_channel(gateway.address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            stub = InspectionServiceStub(channel)
            watch = stub.WatchVerdicts(WatchVerdictsRequest(start_at=WatchStart.WATCH_START_EARLIEST))
            calls = [*hold(channel, "Inspect", silence, 3), stub.Inspect.future(request([frame(), frame(1)]))]
            feedback = Feedback(inspection=Inspection(line="a", station="s0", piece_id="000001"), label=Label.LABEL_OK)
            submit: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(SERVICE + "SubmitFeedback")
            calls.append(submit.future(b"\n" + bytes([feedback.ByteSize()])))
            calls.append(stub.GetModel.future(GetModelRequest()))
            time.sleep(delay_s)
        del watch, calls
    silence.end()
    until(lambda: gateway._metrics.watchers._value.get() == 0)
    gateway.stop()
    assert not [record for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR]


def test_feedback_is_about_pieces_that_exist(gateways: Gateways, clients: Clients, log: MemoryLog) -> None:
    nowhere = Inspection(line="a", station="s", piece_id="9")
    with pytest.raises(ClientError, match="no verdict of a/s/9#0 in the whole log") as refused:
        clients(gateways()).submit_feedback(Feedback(inspection=nowhere, label=Label.LABEL_OK))
    assert refused.value.code is grpc.StatusCode.NOT_FOUND
    assert log.others == []


def test_feedback_is_bounded_in_rate(gateways: Gateways, clients: Clients, log: MemoryLog, put: Put) -> None:
    put(1)
    client = clients(gateways(feedback_per_s=2.0))
    finding = Feedback(inspection=Inspection(line="a", station="s0", piece_id="000001"), label=Label.LABEL_OK)
    for _ in range(5):
        client.submit_feedback(finding)
    limit = r"more than 1 feedback messages a second from one client.*try again in"
    with pytest.raises(ClientError, match=limit) as refused:
        client.submit_feedback(finding)
    assert refused.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert len(log.others) == 5


async def test_a_health_watcher_that_takes_nothing_delays_nobody() -> None:
    from inspector.gateway.health import Health

    class Stalled:
        async def write(self, message: object) -> None:
            await asyncio.sleep(3600)

    health = Health(frozenset({""}), 3600.0)
    stalled = asyncio.create_task(health.Watch(PROBE, Stalled()))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    health.report(serving=True)
    assert (await health.Check(PROBE, Stalled())).status == health_pb2.HealthCheckResponse.SERVING  # type: ignore[arg-type]
    stalled.cancel()
