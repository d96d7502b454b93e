"""Writes that take too long end; what else cancels a stream is not mistaken for that."""

import asyncio

import pytest

from inspector.gateway.write_limit import WriteLimit


async def stuck() -> None:
    await asyncio.Event().wait()


async def stuck_write() -> None:
    async with WriteLimit(0.05) as limit:
        await limit.run(asyncio.sleep(0))
        with pytest.raises(TimeoutError):
            await limit.run(stuck())
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0


async def idle_time() -> None:
    async with WriteLimit(0.02) as limit:
        for _ in range(5):
            await asyncio.sleep(0.02)
            await limit.run(asyncio.sleep(0))


async def a_cancel() -> None:
    async def stream() -> None:
        async with WriteLimit(60.0) as limit:
            await limit.run(stuck())

    task = asyncio.create_task(stream())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_stuck_write_ends_and_leaves_no_cancel_behind() -> None:
    asyncio.run(stuck_write())


def test_time_between_writes_does_not_count() -> None:
    asyncio.run(idle_time())


def test_a_cancel_stays_a_cancel() -> None:
    asyncio.run(a_cancel())
