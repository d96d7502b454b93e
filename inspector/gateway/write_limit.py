"""Ends the writes of one stream that take too long, with one timer for all of them."""

import asyncio
from collections.abc import Awaitable
from types import TracebackType
from typing import Self


class WriteLimit:
    """An async context manager around the life of a stream. It has one timer, which saves one for each write."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[object] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._cancelling = 0
        self._began_s: float | None = None
        """Start of the write in progress."""
        self._is_over = False

    async def __aenter__(self) -> Self:
        self._task = asyncio.current_task()
        assert self._task is not None, "runs in a task"  # noqa: S101
        self._cancelling = self._task.cancelling()
        self._timer = self._loop.call_later(self._limit_s, self._look)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()

    async def run(self, write: Awaitable[None]) -> None:
        """Raises TimeoutError. One write at a time."""
        self._began_s = self._loop.time()
        try:
            await write
        except asyncio.CancelledError:
            if self._is_over and self._task is not None and self._task.uncancel() <= self._cancelling:
                raise TimeoutError from None
            raise
        finally:
            self._began_s = None

    def _look(self) -> None:
        left_s = self._limit_s if self._began_s is None else self._began_s + self._limit_s - self._loop.time()
        if left_s > 0:
            self._timer = self._loop.call_later(left_s, self._look)
        elif self._task is not None:
            self._is_over = True
            self._task.cancel()
