"""Watching over real channels: its start, its verdicts, and how it resumes."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator

import grpc
import pytest

from inspector.client.client import Client, ClientError, WatchOptions
from inspector.gateway.server import Gateway
from protos.inspection.v1.service_pb2 import WatchStart, WatchVerdictsRequest, WatchVerdictsResponse
from protos.inspection.v1.service_pb2_grpc import InspectionServiceStub
from protos.inspection.v1.verdict_pb2 import Decision, Verdict
from streams import resume_token
from streams.log import Start, Tail
from streams.records import Record, TopicPartition
from tests.inspector.gateway.memory_log import MemoryLog
from tests.waiting import until

Put = Callable[..., Record]
Gateways = Callable[..., Gateway]
Clients = Callable[..., Client]


def pieces(client: Client, count: int, options: WatchOptions) -> list[str]:
    watch = client.watch(options)
    received = list(itertools.islice(watch, count))
    watch.close()
    return [verdict.inspection.piece_id for verdict, _ in received]


def names(numbers: range) -> list[str]:
    return [f"{number:06d}" for number in numbers]


def test_live_begins_at_the_end_of_the_log(gateways: Gateways, clients: Clients, put: Put) -> None:
    put(1)
    watch = clients(gateways()).watch()
    verdicts: list[Verdict] = []
    thread = threading.Thread(target=lambda: verdicts.extend(verdict for verdict, _ in itertools.islice(watch, 1)))
    thread.start()
    assert watch.positioned.wait(60)
    put(2)
    thread.join(60)
    assert [verdict.inspection.piece_id for verdict in verdicts] == names(range(2, 3))


def test_earliest_reads_history_that_the_ring_has_dropped(gateways: Gateways, clients: Clients, put: Put) -> None:
    for number in range(500):
        put(number, number % 2)
    received = pieces(clients(gateways(ring_count=10)), 500, WatchOptions(earliest=True))
    assert sorted(received) == names(range(500))


def test_start_by_time(gateways: Gateways, clients: Clients, put: Put) -> None:
    now_ns = time.time_ns()
    for number in range(10):
        put(number, 0, now_ns + number)
    assert pieces(clients(gateways()), 3, WatchOptions(start_time_ns=now_ns + 7)) == names(range(7, 10))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (WatchOptions(earliest=True, stations=("s1",)), [1, 3, 5]),
        (WatchOptions(earliest=True, products=("q",)), [2, 5]),
        (WatchOptions(earliest=True, decisions=(Decision.DECISION_FAIL,)), [4, 5]),
        (WatchOptions(earliest=True, stations=("s0",), decisions=(Decision.DECISION_FAIL,)), [4]),
        (WatchOptions(earliest=True, lines=("b",)), []),
        (WatchOptions(earliest=True, lines=("a", "b"), stations=("s0",)), [0, 2, 4]),
    ],
)
def test_filters(gateways: Gateways, clients: Clients, put: Put, options: WatchOptions, expected: list[int]) -> None:
    for number in range(6):
        put(number, number % 2, product="q" if number in {2, 5} else "p", fail=number >= 4)
    watch = clients(gateways()).watch(options)
    received: list[int] = []
    thread = threading.Thread(target=lambda: received.extend(int(v.inspection.piece_id) for v, _ in watch))
    thread.start()
    until(lambda: watch.token is not None and sum(resume_token.decode(watch.token).values()) == 6)
    watch.close()
    thread.join(60)
    assert sorted(received) == expected


def test_a_heartbeat_moves_the_token_of_a_filtered_watcher(gateways: Gateways, clients: Clients, put: Put) -> None:
    stub = InspectionServiceStub(clients(gateways())._channel)
    call = stub.WatchVerdicts(WatchVerdictsRequest(stations=["nowhere"]))
    before = next(call)
    put(1)
    after = next(message for message in call if message.resume_token != before.resume_token)
    call.cancel()
    assert not after.HasField("verdict")
    assert sum(resume_token.decode(after.resume_token).values()) == 1


def test_order_holds_within_a_station(gateways: Gateways, clients: Clients, put: Put) -> None:
    for number in range(300):
        put(number, number % 2)
    numbers = [int(piece) for piece in pieces(clients(gateways(ring_count=50)), 300, WatchOptions(earliest=True))]
    assert [number for number in numbers if number % 2] == list(range(1, 300, 2))


def test_resumes_across_gateways_without_loss_or_repeat(gateways: Gateways, put: Put) -> None:
    """Ten gateways in turn under concurrent appends; rings too small for the verdicts between two of them."""
    stop = threading.Event()
    written = itertools.count()
    last = [0]

    def write() -> None:
        while not stop.wait(0.0005):
            last[0] = next(written)
            put(last[0], last[0] % 2)

    writer = threading.Thread(target=write)
    first = gateways()
    with Client(first.address) as client:
        watch = client.watch(WatchOptions(earliest=True))
        writer.start()
        got = [verdict for verdict, _ in itertools.islice(watch, 50)]
        watch.close()
    first.stop(0.2)
    for _ in range(10):
        gateway = gateways(ring_count=5, read_back_s=0.0)
        with Client(gateway.address) as client:
            watch = client.watch(WatchOptions(token=watch.token))
            got += [verdict for verdict, _ in itertools.islice(watch, 40)]
            watch.close()
        gateway.stop(0.2)
    stop.set()
    writer.join()
    with Client(gateways().address) as client:
        watch = client.watch(WatchOptions(token=watch.token))
        got += [verdict for verdict, _ in itertools.islice(watch, last[0] + 1 - len(got))]
        watch.close()
    assert sorted(verdict.inspection.piece_id for verdict in got) == names(range(last[0] + 1))


def test_a_client_continues_by_itself_when_the_gateway_is_back(gateways: Gateways, put: Put) -> None:
    first = gateways()
    with Client(first.address) as client:
        watch = client.watch(WatchOptions(earliest=True))
        received: list[str] = []
        thread = threading.Thread(
            target=lambda: received.extend(v.inspection.piece_id for v, _ in itertools.islice(watch, 20))
        )
        thread.start()
        for number in range(10):
            put(number)
        until(lambda: watch.token is not None and sum(resume_token.decode(watch.token).values()) == 10)
        first.stop(0.2)
        for number in range(10, 20):
            put(number)
        gateways(listen=first.address)
        thread.join(20)
        assert received == names(range(20))
        watch.close()


def test_a_slow_watcher_is_cut_off_and_resumes_while_another_is_served(
    gateways: Gateways, clients: Clients, put: Put
) -> None:
    gateway = gateways(send_timeout_s=3.0, ring_count=50)
    slow_channel = grpc.insecure_channel(gateway.address)
    call = InspectionServiceStub(slow_channel).WatchVerdicts(WatchVerdictsRequest())
    next(call)
    fast = clients(gateway).watch()
    received: list[str] = []
    thread = threading.Thread(
        target=lambda: received.extend(v.inspection.piece_id for v, _ in itertools.islice(fast, 400))
    )
    thread.start()
    assert fast.positioned.wait(60)
    for number in range(400):
        put(number, note=b"x" * 50_000)
        until(lambda number=number: len(received) >= number - 20)  # type: ignore[misc]
    thread.join(60)
    until(lambda: gateway._metrics.watchers._value.get() == 1)
    messages = list[WatchVerdictsResponse]()
    with pytest.raises(grpc.RpcError) as cut:
        messages.extend(call)
    last = messages[-1].resume_token
    slow = [message.verdict.inspection.piece_id for message in messages if message.HasField("verdict")]
    slow_channel.close()
    fast.close()
    assert received == names(range(400))
    assert cut.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert len(slow) < 400
    rest = pieces(clients(gateway), 400 - len(slow), WatchOptions(token=last))
    assert slow + rest == names(range(400))


@pytest.mark.parametrize("garbage", [b"", b"\x00", b"\x01not zlib", b"x" * 100_000])
def test_garbage_token(gateways: Gateways, clients: Clients, garbage: bytes) -> None:
    with pytest.raises(ClientError) as refused:
        next(iter(clients(gateways()).watch(WatchOptions(token=garbage))))
    assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT


def test_token_of_another_log(gateways: Gateways, clients: Clients) -> None:
    foreign = resume_token.encode({TopicPartition("other.a.verdicts", 0): 7})
    with pytest.raises(ClientError) as refused:
        next(iter(clients(gateways()).watch(WatchOptions(token=foreign))))
    assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT


def test_expired_token_says_what_is_left(gateways: Gateways, clients: Clients, put: Put, log: MemoryLog) -> None:
    for number in range(10):
        put(number, 0, 1_000 + number)
    log.remove_first(log.partitions[0], 5)
    with pytest.raises(ClientError) as refused:
        next(iter(clients(gateways()).watch(WatchOptions(token=resume_token.encode({log.partitions[0]: 2})))))
    assert refused.value.code is grpc.StatusCode.OUT_OF_RANGE
    assert refused.value.oldest_ns == 1_005
    assert "1005" in refused.value.detail


def test_one_watcher_too_many(gateways: Gateways, clients: Clients) -> None:
    gateway = gateways(max_watchers=1)
    stub = InspectionServiceStub(clients(gateway)._channel)
    held = stub.WatchVerdicts(WatchVerdictsRequest())
    next(held)
    with pytest.raises(grpc.RpcError) as refused:
        next(stub.WatchVerdicts(WatchVerdictsRequest()))
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    held.cancel()
    until(lambda: gateway._metrics.watchers._value.get() == 0)
    again = stub.WatchVerdicts(WatchVerdictsRequest())
    next(again)
    again.cancel()


def test_an_outage_of_the_log_is_waited_out(gateways: Gateways, clients: Clients, put: Put, log: MemoryLog) -> None:
    put(0)
    watch = clients(gateways()).watch(WatchOptions(earliest=True))
    verdicts: Iterator[tuple[Verdict, bytes]] = iter(watch)
    assert next(verdicts)[0].inspection.piece_id == "000000"
    log.outage = True
    put(1)
    until(lambda: log.open_tails == 0)
    log.outage = False
    assert next(verdicts)[0].inspection.piece_id == "000001"
    watch.close()


def test_a_log_that_was_replaced_in_an_outage_is_shown_from_its_beginning_and_both_are_said_once(
    gateways: Gateways, clients: Clients, put: Put, log: MemoryLog, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = gateways()
    for number in range(3):
        put(number)
    until(lambda: gateway._state is not None and sum(gateway._state.ring.position.values()) == 3)
    log.outage = True
    until(lambda: log.num_refused > 2)
    log.replace()
    put(7)
    log.outage = False
    until(lambda: "can be read again" in caplog.text)
    watch = clients(gateway).watch(WatchOptions(earliest=True))
    assert next(iter(watch))[0].inspection.piece_id == "000007"
    watch.close()
    assert [caplog.text.count(words) for words in ("cannot be read (", "was replaced")] == [1, 1]


def test_watchers_hear_of_a_gap_in_the_log(gateways: Gateways, clients: Clients, put: Put, log: MemoryLog) -> None:
    gateway = gateways()
    stub = InspectionServiceStub(clients(gateway)._channel)
    call = stub.WatchVerdicts(WatchVerdictsRequest())
    next(call)
    log.outage = True
    until(lambda: log.open_tails == 0)
    for number in range(10):
        put(number)
    log.remove_first(log.partitions[0], 5)
    log.outage = False
    with pytest.raises(grpc.RpcError) as cut:
        list(call)
    assert cut.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_readers_of_history_are_bounded(gateways: Gateways, clients: Clients, put: Put) -> None:
    """A watcher that takes no history holds the only place of a reader; the next one is sent away, not queued."""
    for number in range(400):
        put(number, note=b"x" * 50_000)
    gateway = gateways(max_readers=1, reader_wait_s=0.1, ring_count=5, send_timeout_s=10.0)
    request = WatchVerdictsRequest()
    request.start_at = WatchStart.WATCH_START_EARLIEST
    held = InspectionServiceStub(clients(gateway)._channel).WatchVerdicts(request)
    next(held)
    with pytest.raises(grpc.RpcError) as refused:
        next(InspectionServiceStub(clients(gateway)._channel).WatchVerdicts(request))
    held.cancel()
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    until(lambda: gateway._metrics.readers._value.get() == 0)


def test_stopping_sends_watchers_away_to_resume_elsewhere(gateways: Gateways, clients: Clients) -> None:
    gateway = gateways()
    call = InspectionServiceStub(clients(gateway)._channel).WatchVerdicts(WatchVerdictsRequest())
    next(call)
    began_s = time.monotonic()
    gateway.stop(30.0)
    assert time.monotonic() - began_s < 5.0
    with pytest.raises(grpc.RpcError) as ended:
        list(call)
    assert ended.value.code() is grpc.StatusCode.UNAVAILABLE


def test_each_verdict_is_encoded_once_for_all_watchers(gateways: Gateways, clients: Clients, put: Put) -> None:
    gateway = gateways()
    watches = [clients(gateway).watch(WatchOptions(stations=stations)) for stations in ((), (), ("s0",))]
    received: list[list[tuple[str, bytes]]] = [[], [], []]

    def take(number: int) -> None:
        received[number].extend((v.inspection.piece_id, token) for v, token in watches[number])

    threads = [threading.Thread(target=take, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    assert all(watch.positioned.wait(60) for watch in watches)
    for number in range(20):
        put(number, number % 2)
    until(lambda: [len(got) for got in received] == [20, 20, 10])
    for watch, thread in zip(watches, threads, strict=True):
        watch.close()
        thread.join(60)
    assert gateway._responses.num_encoded == 20
    assert received[0] == received[1]
    assert received[2] == [each for each in received[0] if int(each[0]) % 2 == 0]
    for number, (_, token) in enumerate(received[0], 1):
        assert sum(resume_token.decode(token).values()) == number


def test_live_and_resumed_watchers_begin_with_the_ring(
    gateways: Gateways, clients: Clients, put: Put, log: MemoryLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = gateways()
    put(0)
    put(1)
    until(lambda: gateway._state is not None and sum(gateway._state.ring.position.values()) == 2)
    opened: list[Start] = []
    plain = log.tail

    def tail(start: Start) -> Tail:
        opened.append(start)
        return plain(start)

    monkeypatch.setattr(log, "tail", tail)
    token = resume_token.encode({log.partitions[0]: 1})
    assert pieces(clients(gateway), 1, WatchOptions(token=token)) == names(range(1, 2))
    watch = clients(gateway).watch()
    thread = threading.Thread(target=lambda: next(iter(watch)))
    thread.start()
    assert watch.positioned.wait(60)
    put(2)
    thread.join(60)
    watch.close()
    assert opened == []


def test_a_token_ahead_of_the_ring_is_shown_to_the_log(gateways: Gateways, clients: Clients, log: MemoryLog) -> None:
    """A gateway that reads sooner may have issued it, or it is of another log: only the log knows."""
    with pytest.raises(ClientError) as refused:
        next(iter(clients(gateways()).watch(WatchOptions(token=resume_token.encode({log.partitions[0]: 7})))))
    assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT


def test_live_begins_with_the_log_while_the_ring_is_behind(gateways: Gateways, clients: Clients, put: Put) -> None:
    """In an outage of the log the gateway does not know where `now` is."""
    gateway = gateways()
    put(0)
    state = gateway._state
    assert state is not None
    until(lambda: sum(state.ring.position.values()) == 1)
    state.blind(True)
    assert not state.is_current
    state.take([], state.ring.position)
    assert not state.is_current
    state.blind(False)
    state.take([], state.ring.position)
    assert state.is_current
