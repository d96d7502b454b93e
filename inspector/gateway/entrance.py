"""Admits calls: asks who calls, reads each request within limits of time, size and share per client, and calls its
method.

gRPC passes on a unary call when its request is complete; until then a call without a request occupies a place in the
server for any length of time. Here every call is served as a stream, which is the same on the wire, so that its caller
and its share of the server are known from the first header on.
"""

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn, TypeAlias, cast

import grpc
from google.protobuf.message import DecodeError, Message

from inspector.gateway.callers import Caller, caller_of
from inspector.gateway.connections import Calls
from inspector.gateway.guard import Guard
from inspector.gateway.metrics import GatewayMetrics
from inspector.gateway.places import Places
from inspector.gateway.refusal import StatusError, exhausted, invalid_argument, unavailable
from inspector.gateway.settings import GatewaySettings

log = logging.getLogger("inspector.gateway.entrance")

Request = Message | bytes
Context = grpc.aio.ServicerContext[bytes, Message]
Handler: TypeAlias = "grpc.RpcMethodHandler[bytes, Message]"
MAX_DETAIL = 1000
"""A status is sent in headers, of which clients accept up to 8 KiB."""
ABORT_BUDGET_S = 5.0
"""A client that reads nothing must not hold the call for longer."""
REFUSALS_EVERY_S = 10.0


@dataclass(frozen=True, slots=True)
class Lane:
    """Limits for the calls of some methods."""

    reading: Places
    """Calls whose request is incomplete."""
    answering: Places
    """Calls whose answer is not sent yet; for streams, their whole life."""
    max_bytes: int
    """Largest request; a larger one is not parsed."""
    max_life_s: float | None = None
    """A stream is ended after this time; its client opens a new one."""
    wait_s: float = 0.0
    """How long a request waits at its sender for a place to be read."""
    parsed: bool = True
    """False if the method gets the bytes, to parse them when it has room."""
    encoded: bool = False
    """Whether the method answers with bytes, which it has encoded itself."""


class Entrance(grpc.aio.ServerInterceptor):
    """Wraps all methods; `lanes` by the method's full name, by its service's, or under the empty name."""

    def __init__(
        self, lanes: Mapping[str, Lane], settings: GatewaySettings, metrics: GatewayMetrics, calls: Calls, guard: Guard
    ) -> None:
        self._lanes, self._settings, self._metrics, self._calls = lanes, settings, metrics, calls
        self._guard = guard
        self._refusals = Refusals()

    async def intercept_service(  # type: ignore[override]  # generic per method in the stubs, which it cannot be
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable["Handler | None"]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        method = handler_call_details.method
        service = method.rpartition("/")[0]
        lane = self._lanes.get(method) or self._lanes.get(service) or self._lanes[""]
        call = Call(handler, lane, self._settings)

        async def answer(_: object, context: Context) -> None:
            await self._answer(call, method, context)

        serializer = None if lane.encoded else handler.response_serializer
        return grpc.stream_stream_rpc_method_handler(answer, None, serializer)

    async def _answer(self, call: "Call", method: str, context: Context) -> None:
        caller, name = caller_of(context), method.rpartition("/")[2]
        try:
            with self._calls.on(caller):
                await self._guard.admit(method, caller, context)
                await call.serve(caller, context)
        except asyncio.CancelledError as cancelled:
            forget_locals(cancelled)
            raise
        except StatusError as refusal:
            forget_locals(refusal)
            self._metrics.refused.labels(name, refusal.code.name).inc()
            self._refusals.note(name, caller, refusal)
            await _abort(name, caller, refusal, context)
        except grpc.aio.InternalError:
            # What gRPC raises where the client has gone in the middle of a read or a write.
            log.debug("%s of %s: the client has disconnected.", name, caller.connection)
            raise asyncio.CancelledError from None


class Call:
    """One method behind its lane."""

    def __init__(self, handler: Handler, lane: Lane, settings: GatewaySettings) -> None:
        self._handler, self._lane, self._settings = handler, lane, settings

    async def serve(self, caller: Caller, context: Context) -> None:
        """Raises StatusError."""
        data = None if self._handler.request_streaming else await self._read(caller, context)
        async with self._lane.answering.place(caller):
            try:
                async with asyncio.timeout(self._lane.max_life_s) as life:
                    await self._run(data, caller, context)
            except TimeoutError:
                if not life.expired():
                    raise
                raise unavailable(f"the stream has lasted {self._lane.max_life_s:g} s: open another one") from None

    async def _run(self, data: bytes | None, caller: Caller, context: Context) -> None:
        handler = self._handler
        if data is None:
            requests = self._requests(caller, context)
            respond = cast(Callable[[AsyncIterator[Request], Context], AsyncIterator[Message]], handler.stream_stream)
            async for response in respond(requests, context):
                await self._send(response, context)
            return
        request = self._parse(data)
        del data
        if handler.response_streaming:
            await cast(Callable[[Request, Context], Awaitable[None]], handler.unary_stream)(request, context)
            return
        answer = cast(Callable[[Request, Context], Awaitable[Message]], handler.unary_unary)(request, context)
        del request
        await self._send(await answer, context)

    async def _requests(self, caller: Caller, context: Context) -> AsyncIterator[Request]:
        while (data := await self._next(caller, context)) is not None:
            yield self._parse(data)

    async def _read(self, caller: Caller, context: Context) -> bytes:
        data = await self._next(caller, context)
        if data is None:
            raise invalid_argument("the call ended without a request: send one message")
        return data

    async def _next(self, caller: Caller, context: Context) -> bytes | None:
        """The next request; None at the end of a stream of them."""
        timeout_s = self._settings.request_timeout_s
        async with self._lane.reading.place(caller, self._lane.wait_s):
            try:
                async with asyncio.timeout(timeout_s):
                    data = await context.read()
            except TimeoutError:
                raise StatusError(
                    grpc.StatusCode.DEADLINE_EXCEEDED,
                    f"the request was not complete after {timeout_s:g} s: send it at once, or over a faster network",
                ) from None
        return data if isinstance(data, bytes) else None

    def _parse(self, data: bytes) -> Request:
        if len(data) > self._lane.max_bytes:
            raise invalid_argument(f"the request has {len(data)} bytes, expected at most {self._lane.max_bytes}")
        if not self._lane.parsed or self._handler.request_deserializer is None:
            return data
        deserialize = cast(Callable[[bytes], Message], self._handler.request_deserializer)
        return parsed(deserialize, data)

    async def _send(self, response: Message, context: Context) -> None:
        try:
            async with asyncio.timeout(self._settings.send_timeout_s):
                await context.write(response)
        except TimeoutError:
            raise exhausted(
                f"the client did not accept the answer for {self._settings.send_timeout_s:g} s: read faster"
            ) from None


def parsed(deserialize: Callable[[bytes], Message], data: bytes) -> Message:
    """Raises StatusError; gRPC alone would answer UNKNOWN."""
    try:
        return deserialize(data)
    except DecodeError as error:
        raise invalid_argument(f"the request does not parse ({error}): check the client's serialiser") from error


def forget_locals(error: BaseException) -> None:
    """Clears local variables in the tracebacks of an error and its causes.

    A future, its error, the traceback and the waiting function reference each other until the garbage collector runs,
    and with them the request and its images: 350 refused requests of 8 MiB took 4 GB.
    """
    link: BaseException | None = error
    while link is not None:
        traceback.clear_frames(link.__traceback__)
        link = link.__cause__ or link.__context__


class Refusals:
    """Logs refused calls at most every ten seconds: a client may be refused all the time."""

    def __init__(self) -> None:
        self._num_unlogged = 0
        self._next_s = 0.0

    def note(self, name: str, caller: Caller, refusal: StatusError) -> None:
        if refusal.code is not grpc.StatusCode.RESOURCE_EXHAUSTED:
            return
        now_s = asyncio.get_running_loop().time()
        self._num_unlogged += 1
        if now_s >= self._next_s:
            log.warning(
                "%d call(s) refused, last %s from %s: %s.",
                self._num_unlogged,
                name,
                caller.host,
                refusal,
            )
            self._num_unlogged, self._next_s = 0, now_s + REFUSALS_EVERY_S


async def _abort(name: str, caller: Caller, refusal: StatusError, context: Context) -> NoReturn:
    """Ends the call with the refusal's status, or without it if the client does not accept it."""
    with suppress(TimeoutError, grpc.aio.InternalError):
        async with asyncio.timeout(ABORT_BUDGET_S):
            await context.abort(refusal.code, refusal.detail[:MAX_DETAIL], refusal.metadata)
    log.info(
        "Closed %s of %s without sending its status, because the client reads nothing: %s.",
        name,
        caller.connection,
        refusal,
    )
    raise asyncio.CancelledError
