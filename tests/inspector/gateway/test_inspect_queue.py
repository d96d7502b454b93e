"""Calls that wait are collected into batches, within bounds of count and bytes; one bad piece harms no other."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from inspector.gateway.callers import Caller
from inspector.gateway.inspect_queue import Answer, InspectQueue
from inspector.gateway.refusal import StatusError
from inspector.gateway.settings import GatewaySettings

ONE, TWO = Caller("1.1.1.1", "ipv4:1.1.1.1:1"), Caller("2.2.2.2", "ipv4:2.2.2.2:1")


class Work:
    """Answers each request with itself once it is released, and notes the batches."""

    def __init__(self) -> None:
        self.batches: list[list[bytes]] = []
        self.release = threading.Event()

    def __call__(self, requests: Sequence[bytes]) -> list[Answer]:
        self.batches.append(list(requests))
        assert self.release.wait(60)
        if b"poison" in requests:
            raise ValueError("poison")
        return [StatusError(None, "bad") if data == b"bad" else data for data in requests]  # type: ignore[arg-type]


def answers(
    work: Work, calls: Sequence[tuple[bytes, Caller]], max_batch: int = 8, queue: int = 64, **bounds: int
) -> list[bytes | BaseException]:
    """Of all calls, the first of which occupies the only thread while the others arrive."""
    settings = GatewaySettings(inspect_concurrency=1, inspect_batch=max_batch, inspect_queue=queue, **bounds)  # type: ignore[arg-type]

    async def run() -> list[bytes | BaseException]:
        waiting = InspectQueue(work, settings)
        tasks = []
        for data, caller in calls:
            tasks.append(asyncio.create_task(waiting.answer(data, caller)))
            await asyncio.sleep(0)
        for _ in range(5):  # displaced calls end
            await asyncio.sleep(0)
        work.release.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        waiting.close()
        return results

    return asyncio.run(run())


def numbered(count: int, size: int = 0) -> list[tuple[bytes, Caller]]:
    return [(f"{number}".encode() + b" " * size, ONE) for number in range(count)]


@pytest.mark.parametrize(("max_batch", "sizes"), [(8, [1, 8, 2]), (1, [1] * 11), (64, [1, 10])])
def test_what_waits_is_judged_together_up_to_a_batch(max_batch: int, sizes: list[int]) -> None:
    work, calls = Work(), numbered(11)
    assert answers(work, calls, max_batch) == [data for data, _ in calls]
    assert [len(batch) for batch in work.batches] == sizes


def test_a_batch_has_the_bytes_of_one_message_at_most() -> None:
    work = Work()
    limit = GatewaySettings().max_message_bytes
    answers(work, numbered(6, limit // 2 - 10), inspect_queue_bytes=10 * limit)
    assert [len(batch) for batch in work.batches] == [1, 2, 2, 1]


def test_the_queue_is_bounded_in_bytes_and_a_single_large_request_may_wait() -> None:
    results = answers(Work(), numbered(6, 1000), inspect_queue_bytes=3100)
    assert [isinstance(result, StatusError) for result in results] == [False] * 4 + [True] * 2
    results = answers(Work(), numbered(3, 5000), inspect_queue_bytes=3100)
    assert [isinstance(result, StatusError) for result in results] == [False, False, True]


def test_the_queue_is_bounded_in_requests() -> None:
    results = answers(Work(), numbered(6), queue=2)
    assert [isinstance(result, StatusError) for result in results] == [False] * 3 + [True] * 3


def test_another_client_gets_room_in_a_queue_that_one_has_filled_with_bytes() -> None:
    calls = [*numbered(4, 1000), (b"large" + b" " * 2000, TWO)]
    results = answers(Work(), calls, inspect_queue_bytes=3100)
    assert [isinstance(result, StatusError) for result in results] == [False, True, True, False, False]


def test_clients_take_turns_within_a_batch() -> None:
    work = Work()
    answers(work, [*numbered(5), (b"other", TWO)], 2)
    assert work.batches[1][0] == b"other"


@pytest.mark.parametrize(("bad", "error"), [(b"bad", StatusError), (b"poison", ValueError)])
def test_one_bad_request_costs_no_other_its_answer(bad: bytes, error: type[Exception]) -> None:
    work: Work = Work()
    results = answers(work, [(b"first", ONE), (b"a", ONE), (bad, ONE), (b"b", TWO)])
    assert [result for result in results if isinstance(result, bytes)] == [b"first", b"a", b"b"]
    assert isinstance(results[2], error)


def test_a_call_that_ends_while_it_waits_is_not_judged() -> None:
    work = Work()

    async def run(then: Callable[[], None]) -> None:
        waiting = InspectQueue(work, GatewaySettings(inspect_concurrency=1))
        first = asyncio.create_task(waiting.answer(b"first", ONE))
        await asyncio.sleep(0)
        gone = asyncio.create_task(waiting.answer(b"gone", ONE))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        then()
        assert await first == b"first"
        assert await waiting.answer(b"next", ONE) == b"next"
        waiting.close()

    asyncio.run(run(work.release.set))
    assert work.batches == [[b"first"], [b"next"]]


def test_a_call_that_ends_as_a_thread_becomes_free_costs_no_other_its_answer() -> None:
    work = Work()

    async def run() -> None:
        waiting, loop = InspectQueue(work, GatewaySettings(inspect_concurrency=1)), asyncio.get_running_loop()
        queued, call_soon = threading.Event(), loop.call_soon_threadsafe

        def call(*arguments: Any) -> asyncio.Handle:
            handle = call_soon(*arguments)
            queued.set()
            return handle

        loop.call_soon_threadsafe = call  # type: ignore[method-assign, assignment]
        calls = [asyncio.create_task(waiting.answer(data, ONE)) for data in (b"first", b"a", b"gone", b"b")]
        for _ in range(3):
            await asyncio.sleep(0)
        work.release.set()
        assert queued.wait(60)
        calls[2].cancel()  # its task learns of it after the queue has chosen the next batch
        async with asyncio.timeout(60):
            results = await asyncio.gather(*calls, return_exceptions=True)
            assert await waiting.answer(b"next", ONE) == b"next"
        assert [result for result in results if isinstance(result, bytes)] == [b"first", b"a", b"b"]
        waiting.close()

    asyncio.run(run())
    assert work.batches == [[b"first"], [b"a", b"b"], [b"next"]]
