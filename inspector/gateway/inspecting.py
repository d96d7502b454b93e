"""Judges single pieces on request, a bounded number at a time, off the event loop. Publishes nothing."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import grpc

from inspector.engines.engine import EngineError
from inspector.gateway.refusal import Refusal, exhausted, invalid_argument, unavailable
from inspector.gateway.request import observation_of
from inspector.judge import Judge
from protos.inspection.v1.records_pb2 import DeadLetterReason
from protos.inspection.v1.service_pb2 import InspectRequest
from protos.inspection.v1.verdict_pb2 import Verdict
from streams.assembly import RecipeBook
from streams.limits import Finding, Limits


class Inspecting:
    """`judge` None refuses every call: a gateway without a model. The judge must bear calls from several threads."""

    def __init__(self, judge: Judge | None, recipes: RecipeBook, limits: Limits, concurrency: int, queue: int) -> None:
        self._judge, self._recipes, self._limits = judge, recipes, limits
        self._max_calls = concurrency + queue
        self._num_calls = 0
        self._threads = ThreadPoolExecutor(concurrency, "gateway-inspect")

    async def inspect(self, request: InspectRequest) -> Verdict:
        """The verdict of the piece in the request. Raises Refusal."""
        if self._judge is None:
            raise Refusal(
                grpc.StatusCode.FAILED_PRECONDITION, "this gateway holds no model: ask one that runs with a worker"
            )
        if self._num_calls >= self._max_calls:
            raise exhausted(f"{self._num_calls} pieces are being judged or wait, as many as allowed: try again later")
        self._num_calls += 1
        loop = asyncio.get_running_loop()
        work = self._threads.submit(self._work, request, self._judge)
        work.add_done_callback(lambda _: loop.call_soon_threadsafe(self._done))
        return await asyncio.wrap_future(work)

    def close(self) -> None:
        """Lets what runs end; what waits is given up."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _done(self) -> None:
        self._num_calls -= 1

    def _work(self, request: InspectRequest, judge: Judge) -> Verdict:
        try:
            observation = observation_of(request, self._recipes, self._limits, time.time_ns())
        except Finding as finding:
            reason = DeadLetterReason.Name(DeadLetterReason.ValueType(finding.reason))
            metadata = (("reason", reason.removeprefix("DEAD_LETTER_REASON_")),)
            raise invalid_argument(finding.detail, metadata) from finding
        try:
            return judge.judge([observation])[0]
        except EngineError as exc:
            raise unavailable(f"the engine failed, and the recipe wants no other: {exc}") from exc
