"""Verdicts that the index does not know, read from the log within bounds."""

import time
from collections.abc import Callable

import pytest

from inspector.gateway.callers import Caller
from inspector.gateway.doubts import Doubts
from inspector.gateway.lookup import Lookup
from inspector.gateway.refusal import StatusError
from inspector.verdicts.index import VerdictIndex
from streams.log import Start, TokenExpiredError
from streams.observation import InspectionId
from streams.records import Record
from tests.inspector.gateway.memory_log import MemoryLog

Put = Callable[..., Record]
HOUR_NS = 3600 * 10**9
CALLER = Caller("h", "h:1")


def lookup(log: MemoryLog, limit_s: float = 5.0) -> Lookup:
    return Lookup(log, VerdictIndex(10**6, 3600.0, time.time_ns()), doubts(), limit_s)


def doubts(max_count: int = 100) -> Doubts:
    return Doubts(time.time_ns(), lambda: None, lambda _: None, max_count)


def piece(number: int, partition: int = 0) -> InspectionId:
    return InspectionId("a", f"s{partition}", f"{number:06d}")


@pytest.mark.parametrize("age_h", [0.5, 3, 30, 2000])
async def test_an_old_verdict_is_read_from_the_log(log: MemoryLog, put: Put, age_h: float) -> None:
    now_ns = time.time_ns()
    for number, age in enumerate((2000, 30, 3, 0.5)):
        put(number, number % 2, now_ns - int(age * HOUR_NS))
    numbers = {2000: 0, 30: 1, 3: 2, 0.5: 3}
    reader = lookup(log)
    entry = await reader.find(piece(numbers[age_h], numbers[age_h] % 2), CALLER)
    reader.close()
    assert entry.inspection == piece(numbers[age_h], numbers[age_h] % 2)


async def test_time_is_bounded_and_said(log: MemoryLog, put: Put) -> None:
    put(1, 0, time.time_ns() - HOUR_NS // 2)
    reader = lookup(log, limit_s=-1.0)
    with pytest.raises(StatusError, match="the oldest record read"):
        await reader.find(piece(2), CALLER)
    reader.close()


async def test_a_client_that_asks_again_reads_the_log_once(
    log: MemoryLog, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(1, 0, time.time_ns() - HOUR_NS // 2)
    tails = 0
    plain = log.tail

    def counting(start: object) -> object:
        nonlocal tails
        tails += 1
        return plain(start)  # type: ignore[arg-type]

    monkeypatch.setattr(log, "tail", counting)
    reader = lookup(log)
    for _ in range(3):
        with pytest.raises(StatusError, match="in the whole log"):
            await reader.find(piece(2), CALLER)
        once, tails = tails, tails
    reader.close()
    assert once == tails


async def test_the_log_rests_between_look_ups(log: MemoryLog, put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without waiting, a piece that is asked for meanwhile is looked for in the index alone."""
    monkeypatch.setattr("inspector.gateway.lookup.REST", 1e6)
    put(1, 0, time.time_ns() - HOUR_NS // 2)
    reader = lookup(log)
    with pytest.raises(StatusError, match="in the whole log"):
        await reader.find(piece(2), CALLER)
    with pytest.raises(StatusError, match="the oldest record read"):
        await reader.find(piece(3), CALLER)
    with pytest.raises(StatusError, match="is being read for other pieces: try again"):
        await reader.find(piece(3), CALLER, wait=True)
    reader.close()


@pytest.mark.parametrize("oldest_h", [0.0, 0.5, 3.0])
async def test_what_retention_has_deleted_is_not_read(
    log: MemoryLog, put: Put, monkeypatch: pytest.MonkeyPatch, oldest_h: float
) -> None:
    """Logs refuse a time that lies before the oldest record, where there were older ones."""
    oldest_ns, plain = time.time_ns() - int(oldest_h * HOUR_NS), log.tail
    put(1, 0, oldest_ns)

    def tail(start: Start) -> object:
        if start.time_ns is not None and start.time_ns < oldest_ns:
            raise TokenExpiredError("deleted", oldest_ns)
        return plain(start)

    monkeypatch.setattr(log, "tail", tail)
    reader = Lookup(log, VerdictIndex(10**6, 3600.0, oldest_ns + (10**9 if oldest_h else -(10**9))), doubts(), 5.0)
    with pytest.raises(StatusError, match="in the whole log"):
        await reader.find(piece(2), CALLER)
    if oldest_h:
        assert (await reader.find(piece(1), CALLER, wait=True)).inspection == piece(1)
    reader.close()
