"""Reads the log for one watcher in a separate thread."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

from inspector.verdicts.ring import Entry, entries_of
from streams.log import Log, Start, Tail
from streams.records import TopicPartition

Result = TypeVar("Result")


class HistoryReader:
    """A tail and the thread that opens, polls and closes it. Raises the errors of the log."""

    def __init__(self, source: Log, start: Start) -> None:
        self._log, self._start = source, start
        self._thread = ThreadPoolExecutor(1, "gateway-history")
        self._tail: Tail | None = None

    async def __aenter__(self) -> Self:
        try:
            await self._call(self._open)
        except BaseException:
            await self._finish()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._finish()

    async def position(self) -> dict[TopicPartition, int]:
        return await self._call(lambda: dict(self._opened().position()))

    async def identities(self) -> dict[str, str]:
        """Of the topics, as far as the log tells."""
        return await self._call(lambda: dict(self._opened().identities()))

    async def poll(self, timeout_s: float) -> tuple[list[Entry], dict[TopicPartition, int]]:
        """Verdicts, and the next offsets after them."""
        return await self._call(lambda: self._poll(timeout_s))

    def _open(self) -> None:
        self._tail = self._log.tail(self._start)

    def _opened(self) -> Tail:
        assert self._tail is not None, "entered first"  # noqa: S101
        return self._tail

    def _poll(self, timeout_s: float) -> tuple[list[Entry], dict[TopicPartition, int]]:
        tail = self._opened()
        return entries_of(tail.poll(timeout_s)), dict(tail.position())

    def _close(self) -> None:
        if self._tail is not None:
            self._tail.close()

    async def _finish(self) -> None:
        """Closes after the thread's current work, even if the call is cancelled."""
        closed = asyncio.wrap_future(self._thread.submit(self._close))
        self._thread.shutdown(wait=False)
        await asyncio.shield(closed)

    async def _call(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
