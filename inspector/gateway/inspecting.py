"""Judges single pieces on request in a limited number of threads. Publishes nothing."""

import asyncio
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

import grpc

from inspector.engines.engine import EngineError
from inspector.gateway.callers import Caller
from inspector.gateway.entrance import parsed
from inspector.gateway.places import Places
from inspector.gateway.refusal import StatusError, invalid_argument, unavailable
from inspector.gateway.request import observation_of
from inspector.verdicts.judge import Judge
from inspector.verdicts.words import enum_word
from protos.inspection.v1.records_pb2 import DeadLetterReason
from protos.inspection.v1.service_pb2 import InspectRequest
from protos.inspection.v1.verdict_pb2 import Verdict
from streams.decode.limits import Limits, RecordError
from streams.join.assembly import RecipeBook

REMEMBERED_HOSTS = 1024


class Turns:
    """Lets `concurrency` callers work and `queue` callers wait; hosts take turns, then connections of a host."""

    def __init__(self, concurrency: int, queue: int) -> None:
        self._num_free = concurrency
        self._queue = Places("pieces that wait to be judged", queue)
        self._waiting: dict[asyncio.Future[None], Caller] = {}
        self._served: OrderedDict[str, int] = OrderedDict()
        """Number of the last turn of a host or connection."""
        self._num_turns = 0

    async def wait(self, caller: Caller) -> None:
        """Waits for a turn; return it with `done`. Raises StatusError."""
        if self._num_free:
            self._num_free -= 1
            self._note(caller)
            return
        turn = asyncio.get_running_loop().create_future()
        try:
            async with self._queue.place(caller):
                self._waiting[turn] = caller
                await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self.done()
            raise
        finally:
            self._waiting.pop(turn, None)

    def done(self) -> None:
        """Passes the turn to the host, and to its connection, that has waited longest since its last turn."""
        waiting = {turn: caller for turn, caller in self._waiting.items() if not turn.done()}
        if not waiting:
            self._num_free += 1
            return
        turn = min(waiting, key=lambda turn: self._last_turns(waiting[turn]))
        self._note(waiting[turn])
        turn.set_result(None)

    def _last_turns(self, caller: Caller) -> tuple[int, int]:
        return self._served.get(caller.host, 0), self._served.get(caller.connection, 0)

    def _note(self, caller: Caller) -> None:
        self._num_turns += 1
        for name in caller:
            self._served[name] = self._num_turns
            self._served.move_to_end(name)
        while len(self._served) > REMEMBERED_HOSTS:
            self._served.popitem(last=False)


class InspectService:
    """Without `judge`, as in a gateway without a model, every call is refused. The judge must be thread-safe."""

    def __init__(self, judge: Judge | None, recipes: RecipeBook, limits: Limits, concurrency: int, queue: int) -> None:
        self._judge, self._recipes, self._limits = judge, recipes, limits
        self._turns = Turns(concurrency, queue)
        self._threads = ThreadPoolExecutor(concurrency, "gateway-inspect")

    async def inspect(self, request: bytes, caller: Caller) -> Verdict:
        """The verdict of the piece in the serialised request, which is parsed at its turn. Raises StatusError."""
        if self._judge is None:
            raise StatusError(
                grpc.StatusCode.FAILED_PRECONDITION, "this gateway has no model: call a gateway that runs with a worker"
            )
        await self._turns.wait(caller)
        loop = asyncio.get_running_loop()
        work = self._threads.submit(self._work, request, self._judge)
        work.add_done_callback(lambda _: loop.call_soon_threadsafe(self._turns.done))
        return await asyncio.wrap_future(work)

    def close(self) -> None:
        """Lets running calls end and cancels waiting ones."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _work(self, data: bytes, judge: Judge) -> Verdict:
        request = parsed(InspectRequest.FromString, data)
        assert isinstance(request, InspectRequest)  # noqa: S101
        try:
            observation = observation_of(request, self._recipes, self._limits, time.time_ns())
        except RecordError as error:
            metadata = (("reason", enum_word(DeadLetterReason, error.reason)),)
            raise invalid_argument(error.detail, metadata) from error
        try:
            return judge.judge([observation])[0]
        except EngineError as exc:
            raise unavailable(f"the engine failed, and the recipe allows no other: {exc}") from exc
