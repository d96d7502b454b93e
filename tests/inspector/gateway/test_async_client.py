"""The asyncio client asks what the other one asks, and continues watching across restarts of the gateway."""

import asyncio
from collections.abc import AsyncIterator, Callable

import grpc
import pytest

from inspector import AsyncClient
from inspector.client import ClientError, WatchOptions
from inspector.gateway.server import Gateway
from protos.inspection.v1.records_pb2 import Feedback, Inspection
from protos.inspection.v1.service_pb2 import InspectRequest
from protos.inspection.v1.verdict_pb2 import Decision, Verdict
from streams.records import Record

Gateways = Callable[..., Gateway]
Put = Callable[..., Record]


async def take(verdicts: AsyncIterator[tuple[Verdict, bytes]], count: int) -> tuple[list[str], bytes]:
    """Ids of the next pieces and the token behind the last one."""
    ids: list[str] = []
    async for verdict, token in verdicts:
        ids.append(verdict.inspection.piece_id)
        if len(ids) == count:
            return ids, token
    raise AssertionError(f"the watch ended after {len(ids)} verdicts")


def names(numbers: range) -> list[str]:
    return [f"{number:06d}" for number in numbers]


async def test_calls_are_answered_or_refused_with_their_reason(gateways: Gateways, put: Put) -> None:
    async with AsyncClient(gateways().address) as client:
        put(1)
        inspection = Inspection(line="a", station="s0", piece_id="000001")
        for _ in range(100):
            try:
                verdict = await client.verdict(inspection)
                break
            except ClientError as error:
                assert error.code is grpc.StatusCode.NOT_FOUND  # noqa: PT017 - until the gateway has read it
                await asyncio.sleep(0.05)
        assert verdict.decision == Decision.DECISION_PASS
        assert (await client.model("")).bundle == "demo"
        judged = await client.inspect(InspectRequest(inspection=inspection, product="p"))
        assert judged.inspection.piece_id == "000001"
        with pytest.raises(ClientError) as refused:
            await client.inspect(InspectRequest(inspection=Inspection(line="a b"), product="p"))
        assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT
        with pytest.raises(ClientError) as wrong:
            await client.submit_feedback(Feedback())
        assert wrong.value.code is grpc.StatusCode.INVALID_ARGUMENT


async def test_watching_continues_with_the_token_when_the_gateway_comes_back(gateways: Gateways, put: Put) -> None:
    first = gateways()
    for number in range(10):
        put(number)
    async with AsyncClient(first.address) as client:
        verdicts = client.watch(WatchOptions(earliest=True))
        before, token = await asyncio.wait_for(take(verdicts, 10), 20)
        await asyncio.to_thread(first.stop, 0.2)
        for number in range(10, 20):
            put(number)
        again = await asyncio.to_thread(gateways, listen=first.address)
        after, _ = await asyncio.wait_for(take(client.watch(WatchOptions(token=token)), 10), 20)
    assert again.address == first.address
    assert before + after == names(range(20))


async def test_one_watch_outlives_a_restart(gateways: Gateways, put: Put) -> None:
    first = gateways()
    ids: list[str] = []

    async def watch() -> None:
        async with AsyncClient(first.address) as client:
            async for verdict, _ in client.watch(WatchOptions(earliest=True)):
                ids.append(verdict.inspection.piece_id)
                if len(ids) == 20:
                    return

    watching = asyncio.create_task(watch())
    for number in range(10):
        put(number)
    while len(ids) < 10:
        await asyncio.sleep(0.02)
    await asyncio.to_thread(first.stop, 0.2)
    for number in range(10, 20):
        put(number)
    await asyncio.to_thread(gateways, listen=first.address)
    await asyncio.wait_for(watching, 20)
    assert ids == names(range(20))


async def test_a_token_that_is_none_ends_the_watch(gateways: Gateways) -> None:
    async with AsyncClient(gateways().address) as client:
        with pytest.raises(ClientError) as refused:
            await take(client.watch(WatchOptions(token=b"no token")), 1)
    assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT
