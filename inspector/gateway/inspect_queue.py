"""Collects `Inspect` calls into batches: what waits when a thread is free is judged together. Nobody waits for a batch
to fill."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from inspector.gateway.callers import Caller
from inspector.gateway.places import Places
from inspector.gateway.settings import GatewaySettings

REMEMBERED_HOSTS = 1024

Answer = bytes | BaseException
Work = Callable[[Sequence[bytes]], Sequence[Answer]]
"""Answers serialised requests, one each and in order; runs in a thread."""


@dataclass(eq=False, slots=True)
class Request:
    """One call: its serialised request, and the future of its answer."""

    data: bytes
    caller: Caller
    answer: asyncio.Future[bytes]
    begun: asyncio.Future[None] = field(init=False)
    """Done when a thread works on it."""

    def __post_init__(self) -> None:
        self.begun = self.answer.get_loop().create_future()


class InspectQueue:
    """Lets a bounded number of requests wait for a bounded number of threads; hosts take turns, then connections of a
    host. Used in the event loop only."""

    def __init__(self, work: Work, settings: GatewaySettings) -> None:
        self._work, self._max_batch, self._max_batch_bytes = work, settings.inspect_batch, settings.max_message_bytes
        self._num_free = settings.inspect_concurrency
        self._threads = ThreadPoolExecutor(settings.inspect_concurrency, "gateway-inspect")
        self._places = Places(
            "pieces that wait to be judged", settings.inspect_queue, max_bytes=settings.inspect_queue_bytes
        )
        self._waiting: dict[Request, None] = {}
        self._alone: deque[Request] = deque()
        """Of a batch that failed as a whole: judged one by one, so that one bad piece costs no other its verdict."""
        self._served: OrderedDict[str, int] = OrderedDict()
        """Number of the last turn of a host or connection."""
        self._num_turns = 0

    async def answer(self, data: bytes, caller: Caller) -> bytes:
        """Raises StatusError, and what the work raises."""
        request = Request(data, caller, asyncio.get_running_loop().create_future())
        if self._num_free:
            self._num_free -= 1
            self._run([request])
        else:
            await self._wait(request)
        return await request.answer

    def close(self) -> None:
        """Lets running batches end and cancels waiting ones."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def _wait(self, request: Request) -> None:
        try:
            async with self._places.place(request.caller, size=len(request.data)):
                self._waiting[request] = None
                await request.begun
        finally:
            self._waiting.pop(request, None)

    def _run(self, batch: Sequence[Request]) -> None:
        for request in batch:
            self._note(request.caller)
        loop = asyncio.get_running_loop()
        running = self._threads.submit(self._work, [request.data for request in batch])
        running.add_done_callback(lambda done: loop.call_soon_threadsafe(self._finished, batch, done))

    def _finished(self, batch: Sequence[Request], done: Future[Sequence[Answer]]) -> None:
        error = None if done.cancelled() else done.exception()
        if error is not None and len(batch) > 1:
            self._alone.extend(batch)
        elif not done.cancelled():
            answers = done.result() if error is None else [error]
            for request, answer in zip(batch, answers, strict=True):
                _settle(request.answer, answer)
        if following := self._next_batch():
            self._run(following)
        else:
            self._num_free += 1

    def _next_batch(self) -> list[Request]:
        """The requests whose hosts, and connections, have waited longest since their last turn."""
        if self._alone:
            return [self._alone.popleft()]
        batch: list[Request] = []
        num_bytes = 0
        while self._waiting and len(batch) < self._max_batch:
            request = min(self._waiting, key=lambda waiting: self._last_turns(waiting.caller))
            if request.begun.done():  # its call has ended, and its task has not run since
                del self._waiting[request]
                continue
            num_bytes += len(request.data)
            if batch and num_bytes > self._max_batch_bytes:
                break
            del self._waiting[request]
            request.begun.set_result(None)
            self._note(request.caller)
            batch.append(request)
        return batch

    def _last_turns(self, caller: Caller) -> tuple[int, int]:
        return self._served.get(caller.host, 0), self._served.get(caller.connection, 0)

    def _note(self, caller: Caller) -> None:
        self._num_turns += 1
        for name in caller:
            self._served[name] = self._num_turns
            self._served.move_to_end(name)
        while len(self._served) > REMEMBERED_HOSTS:
            self._served.popitem(last=False)


def _settle(future: asyncio.Future[bytes], answer: Answer) -> None:
    """Nobody waits for an answer whose call has ended."""
    if future.done():
        return
    if isinstance(answer, BaseException):
        future.set_exception(answer)
    else:
        future.set_result(answer)
