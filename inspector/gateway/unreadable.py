"""Answers a request that does not parse with INVALID_ARGUMENT, where gRPC would say UNKNOWN. Knows no call."""

from collections.abc import Awaitable, Callable
from typing import cast

import grpc
from google.protobuf.message import DecodeError, Message

Request = Message | DecodeError
Context = grpc.aio.ServicerContext[Request, Message]
Call = Callable[[Request, Context], Awaitable[Message | None]]


class UnreadableRequests(grpc.aio.ServerInterceptor):
    """Wraps calls with one request; calls with a stream of them pass as they are."""

    async def intercept_service(  # type: ignore[override]  # generic per method in the stubs, which it cannot be
        self,
        continuation: "Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Request, Message] | None]]",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "grpc.RpcMethodHandler[Request, Message] | None":
        handler = await continuation(handler_call_details)
        if handler is None or handler.request_streaming or handler.request_deserializer is None:
            return handler
        read, write = _tolerant(handler.request_deserializer), handler.response_serializer
        if handler.response_streaming:
            call = cast(Call, handler.unary_stream)
            return grpc.unary_stream_rpc_method_handler(_answering(call), read, write)
        call = cast(Call, handler.unary_unary)
        return grpc.unary_unary_rpc_method_handler(_answering(call), read, write)


def _tolerant(deserialize: Callable[[bytes], Request]) -> Callable[[bytes], Request]:
    def read(data: bytes) -> Request:
        try:
            return deserialize(data)
        except DecodeError as error:
            return error

    return read


def _answering(behaviour: Call) -> Call:
    async def answer(request: Request, context: Context) -> Message | None:
        if isinstance(request, DecodeError):
            detail = f"the request does not parse ({request}): check the client's serialiser"
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, detail[:500])
        return await behaviour(request, context)

    return answer
